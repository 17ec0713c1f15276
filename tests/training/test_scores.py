"""Texts are scored for the figures as the product scores them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.training.judging import judged
from training import scores
from training.labels import MODERATION_LABELS
from training.rows import Row
from training.scores import opened, score

MODELS = Path(__file__).parents[2] / "plugins" / "models"
(GUARD,) = MODELS.glob("guard-mini-*")
CALM = "We walked along the river, had some tea and talked about the garden for a while. " * 10


def harm(*texts: str) -> list[float]:
    found = score(GUARD, [Row(text) for text in texts])
    return [float(value) for value in found[:, MODERATION_LABELS.index("harm")]]


def test_what_stands_beyond_the_first_window_counts() -> None:
    late = CALM + "I will find you and kill you, you worthless idiot."
    assert len(opened(GUARD).windows.cut(late).windows) > 1
    calm, threatening = harm(CALM, late)
    assert calm < 0.2
    assert threatening > 0.8


def test_scores_are_those_of_the_runtime_in_order() -> None:
    texts = ["you are a stupid idiot", CALM, "good morning"]
    rows = score(GUARD, [Row(text) for text in texts])
    for text, row in zip(texts, rows, strict=True):
        np.testing.assert_allclose(opened(GUARD).run([text])[0], row, atol=1e-5)


def test_no_texts_have_no_scores() -> None:
    assert score(GUARD, []).shape == (0, len(MODERATION_LABELS))


def test_judged_rows_are_chosen_with_their_scores() -> None:
    rows = [Row("a", {"harm": 1.0}, "x"), Row("b", {}, "y"), Row("c", {"harm": 0.2}, "y")]
    every = judged(rows, [{"harm": 0.9}, {"harm": 0.7}, {"harm": 0.4}])
    known = every.known("harm")
    assert [row.text for row in known.rows] == ["a", "c"]
    assert known.truth("harm").tolist() == [True, False]
    assert known.flagged("harm").tolist() == [True, False]
    assert every.of("y").score("harm").tolist() == pytest.approx([0.7, 0.4])


class Counting:
    """A runtime that scores the length of a text, and notes what it was asked."""

    labels = ("length",)

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(self, texts: Sequence[str]) -> list[list[float]]:
        self.asked += texts
        return [[float(len(text))] for text in texts]


def test_a_text_is_judged_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime = Counting()
    monkeypatch.setattr(scores, "opened", lambda _: runtime)
    first = score(tmp_path, [Row("ab"), Row("abc"), Row("ab")])
    second = score(tmp_path, [Row("abcd"), Row("abc")])
    assert first.tolist() == [[2.0], [3.0], [2.0]]
    assert second.tolist() == [[4.0], [3.0]]
    assert runtime.asked == ["ab", "abc", "abcd"]
