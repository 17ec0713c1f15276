"""The values that travel from a text to its scores."""

import copy
import json
import pickle

from inference.types import PassageScore, Scores
from inference.words import Span

SCORE = PassageScore(0.5, Span(3, 9))


def test_a_score_of_a_passage_is_a_number_like_any_other() -> None:
    assert SCORE == 0.5
    assert json.dumps([SCORE]) == "[0.5]"
    assert type(1 - SCORE) is float


def test_a_copied_score_keeps_its_passage() -> None:
    for again in (copy.deepcopy(SCORE), pickle.loads(pickle.dumps(SCORE))):  # noqa: S301 - our own
        assert (again, again.passage) == (0.5, Span(3, 9))


def test_passages_move_with_what_stands_before_the_text() -> None:
    scores = Scores({"a": {"x": 0.5}}, {}, passages={"a": {"x": Span(3, 9)}})

    assert scores.behind(0) is scores
    assert scores.behind(10).passages == {"a": {"x": Span(13, 19)}}
    assert scores.behind(10).by_plugin == scores.by_plugin
