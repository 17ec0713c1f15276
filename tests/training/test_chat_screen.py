"""Public dialogues are screened by the moderation model that ships, before anything learns them."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bare import folders
from inference.versions import load as load_manifest
from training.chat_screen import GUARD, screen
from training.chat_sources import SETS, Dialogue, load

ROOT = Path(__file__).parents[2]
HARMLESS = ("I baked bread this morning.", "How nice! Was it good?", "It was.", "Enjoy it!")
THREAT = "I will kill you, you worthless idiot. I know where you live and I will shoot you."
LEWD = "Take off your clothes and suck my cock, I want to fuck you all night."


def write(folder: Path, **sets: list[tuple[str, ...]]) -> None:
    """The public sets, of which those that are not named are empty."""
    for name in SETS:
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as lines:
            for turns in sets.get(name, []):
                spoken = [["AB"[place % 2], turn] for place, turn in enumerate(turns)]
                lines.write(json.dumps({"turns": spoken}) + "\n")


def test_the_model_that_screens_is_the_one_that_ships() -> None:
    assert folders()[0] == GUARD
    assert load_manifest(GUARD).plugin == "moderation"


@pytest.mark.parametrize("vile", [THREAT, LEWD], ids=["harm", "sexual"])
def test_a_turn_above_a_limit_is_found_and_no_other(vile: str) -> None:
    assert screen([*HARMLESS, vile], processes=1) == {vile}


def test_a_dialogue_with_a_harmful_turn_is_left_out_and_the_others_stay(tmp_path: Path) -> None:
    polite = ("Is there a table for two?", "At eight?", "Yes please.", "It is booked.")
    vile = (HARMLESS[0], HARMLESS[1], THREAT, HARMLESS[3])
    write(tmp_path, self_dialogue=[HARMLESS, vile], sgd_dialogues=[polite])
    out = tmp_path / "kept.jsonl.gz"
    given = ("--data", str(tmp_path), "--out", str(out), "--processes", "1")

    subprocess.run([sys.executable, "-m", "training.chat_screen", *given], cwd=ROOT, check=True)

    assert load(out) == [Dialogue(HARMLESS, "self_dialogue"), Dialogue(polite, "sgd_dialogues")]
