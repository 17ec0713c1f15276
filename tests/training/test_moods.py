"""Sentiments are counted by set and by kind of text."""

from pathlib import Path

import numpy as np
import pytest

from training import moods, sources
from training.holdout import drop_held_out, key
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


def test_texts_judged_by_hand_are_as_many_of_each_sentiment_and_new() -> None:
    rows = moods.labelled()
    trained = {key(row.text) for row in sources.written_moods()}
    assert len(rows) == len({key(row.text) for row in rows}) == 360
    assert np.bincount(moods.truth_of(rows)).min() > 115
    assert len({row.source for row in rows}) == 11
    assert drop_held_out(rows) == rows
    assert not {key(row.text) for row in rows} & trained


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        '["a"]',
        '{"text": "a", "sentiment": "negative"}',
        '{"text": "a", "sentiment": "sad", "kind": "chat"}',
        '{"text": " ", "sentiment": "negative", "kind": "chat"}',
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "labelled.jsonl"
    path.write_text(f'{{"text": "a", "sentiment": "neutral", "kind": "chat"}}\n{line}\n')
    with pytest.raises(ValueError, match=r"labelled\.jsonl:2"):
        moods.labelled(path)


def test_texts_judged_by_hand_are_reported_by_kind_and_all_together() -> None:
    rows = [Row("fine", POSITIVE, "chat"), Row("noon", NEUTRAL, "mail")]
    lines = moods.report(rows, np.array([[0, 0, 1.0], [0, 1.0, 0]]), kinds=False)[2:]
    assert [line.split(" | ")[:2] for line in lines] == [
        ["| chat", "1"], ["| mail", "1"], ["| all of them", "2"],
    ]  # fmt: skip


def test_written_texts_have_a_sentiment_each() -> None:
    rows = list(sources.written_moods())
    assert len(rows) == 1080
    assert np.bincount(moods.truth_of(rows)).tolist() == [360, 360, 360]
    assert drop_held_out(rows) == rows
