"""Sentiments are counted by set and by kind of text."""

import numpy as np
import pytest

from training import moods
from training.rows import Row

NEGATIVE, NEUTRAL, POSITIVE = (
    {"negative": 0.03, "neutral": 0.03, "positive": 0.03} | {name: 0.94}
    for name in ("negative", "neutral", "positive")
)


def test_the_sentiment_of_a_row_is_its_strongest() -> None:
    rows = [Row("a", POSITIVE), Row("b", NEGATIVE), Row("c", NEUTRAL)]
    assert moods.truth_of(rows).tolist() == [2, 0, 1]


def test_each_set_and_each_kind_of_text_has_a_line() -> None:
    rows = [
        Row("I do not like it :(", NEGATIVE, "tweets"), Row("it is noon", NEUTRAL, "tweets"),
        Row("lovely, isn't it?", POSITIVE, "tweets"), Row("so " * 30, POSITIVE, "mail"),
    ]  # fmt: skip
    scores = np.array([[1.0, 0, 0], [0, 1.0, 0], [1.0, 0, 0], [0, 0, 1.0]])
    lines = moods.report(rows, scores)[2:]
    assert [line.split(" | ")[:2] for line in lines] == [
        ["| mail", "1"], ["| tweets", "3"], ["| of at most 8 words", "3"],
        ["| of 20 words or more", "1"], ["| with a negation", "2"],
        ["| with a question mark", "1"], ["| with an emoji or a face of signs", "1"],
    ]  # fmt: skip
    assert lines[1] == "| tweets | 3 | 1.000 | 1.000 | 0.000 | 0.667 | 0.333 |"


def test_masked_tweets_have_the_same_moods_as_others() -> None:
    rows = [Row("@Kate_M see https://t.example/a1, bob@site.example", POSITIVE, "tweets")]
    assert moods.masked(rows) == [
        Row("@user see http, bob@site.example", POSITIVE, "tweets, masked")
    ]


def test_the_confidence_of_an_answer_is_held_against_its_truth() -> None:
    scores = np.array([[0.9, 0.1, 0.0]] * 10)
    truth = np.array([0] * 6 + [1] * 4)
    assert moods.confidence_error(truth, scores) == pytest.approx(0.3)
