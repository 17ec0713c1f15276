"""One text is timed through the whole plugin, on one core, and the machine is left as it was."""

import os
from collections.abc import Sequence
from pathlib import Path

from inference.plugin import Plugin
from inference.types import Labels
from tests.training import public
from training import speed
from training.scores import opened

(GUARD,) = (Path(__file__).parents[2] / "plugins" / "models").glob("guard-mini-*")


class Watched(Plugin):
    """Notes what it is asked, and on how many cores."""

    name = "watched"
    labels = ("x",)

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[list[str], int]] = []

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        self.asked.append((list(texts), len(os.sched_getaffinity(0))))
        return [{"x": 0.0} for _ in texts]


def test_each_text_runs_alone_on_one_core() -> None:
    before, plugin = os.sched_getaffinity(0), Watched()
    assert speed.median_milliseconds(plugin, ["a", "b"], runs=3) >= 0.0
    assert plugin.asked == [([text], 1) for text in "abaaba"]
    assert os.sched_getaffinity(0) == before


def test_texts_have_the_length_asked_for(tmp_path: Path) -> None:
    turns = ["hi", "could you please book a table for two at seven", "one two three"]
    data = public.write(tmp_path, sgd_dialogues=[{"turns": [["A", text]]} for text in turns])
    runtime = opened(GUARD)
    length = len(runtime.windows.cut(turns[1]).windows[0])
    assert speed.texts_of(runtime, data, length, 5) == [turns[1]]


def test_a_folder_is_timed_with_its_own_plugin(tmp_path: Path) -> None:
    turns = [f"please leave a message for doctor smith after the tone {n}" for n in range(10, 20)]
    data = public.write(tmp_path, sgd_dialogues=[{"turns": [["A", text]]} for text in turns])
    length = len(opened(GUARD).windows.cut(turns[0]).windows[0])
    assert speed.PLUGINS[opened(GUARD).labels].name == "moderation"
    assert len(speed.texts_of(opened(GUARD), data, length, 5)) == 5
