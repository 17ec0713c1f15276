"""Innocent texts are harmless, of every kind, and those of validation known to no run."""

import re
from pathlib import Path

import pytest

from tests.training import public
from training import harmless, labelled
from training.handmade import handwritten
from training.harmless import FILES, slots, topics, written
from training.holdout import fingerprint, held_out, is_calibration, is_validation
from training.innocent import (
    ABUSIVE,
    bare_words,
    foreign,
    innocent,
    innocent_validation,
    joined_validation,
    vocabulary,
)
from training.labels import MODERATION_HEADS, mentions_minor

WORDS = [f"{a}{b}e" for a in "bcdfghklm" for b in ("ol", "ir", "am", "ut", "onk", "ash")]
TURNS = [[side, f"turn {number} about the garden"] for number in range(900) for side in "AB"]
TWEETS = [
    {"text": f"tweet {mood} {n}", "labels": {"sentiment": mood}, "lang": lang}
    for n in range(40)
    for mood in ("negative", "positive")
    for lang in ("de", "en")
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    personal = [{"text": f"Anna lives at {n} Elm Street"} for n in range(60)]
    return public.write(
        tmp_path,
        umsab_sentiment=TWEETS,
        presidio_pii=personal,
        self_dialogue=[{"turns": TURNS[at : at + 12]} for at in range(0, len(TURNS), 12)],
    )


def test_written_texts_are_repeatable_and_of_every_kind() -> None:
    rows = written(3, 0.05)
    assert rows == written(3, 0.05)
    kinds = {row.source.split(".")[1] for row in rows}
    assert kinds == {topic.split(".")[0] for name in FILES for topic in topics(name)}


def test_every_slot_is_filled_and_nothing_is_harmful() -> None:
    for row in written(3, 0.05):
        assert not re.search(r"\{(?:" + "|".join(slots()) + r")\}", row.text)
        assert set(row.targets) == set(MODERATION_HEADS)
        assert {head for head, value in row.targets.items() if value} <= {"minor"}
        assert row.targets["minor"] == mentions_minor(row.text)


@pytest.mark.parametrize("name", ["code", "technical", "prose", "queries"])
def test_no_template_is_in_training_and_validation(name: str) -> None:
    sides = [
        {each for kept in harmless._chosen(name, validation=side).values() for each in kept}
        for side in (True, False)
    ]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_no_line_is_a_text_on_which_models_are_judged() -> None:
    lines = {line for name in FILES for kept in topics(name).values() for line in kept}
    judged = {text.text for text in labelled.read()} | {row.text for row in handwritten()}
    long = {line for line in lines if len(line.split()) > 3}
    assert not long & judged
    assert not [line for line in long if fingerprint(line) in held_out()]


def test_bare_words_of_validation_are_new() -> None:
    learnt, kept = (
        {word for row in bare_words(WORDS, 400, 1, validation=side) for word in row.text.split()}
        for side in (False, True)
    )
    assert learnt
    assert kept
    assert not learnt & kept


def test_charged_words_and_pieces_teach_nothing() -> None:
    words = ["garden", "##den", "suicide", "porn", "a", "42", "kill"]
    assert vocabulary(words) == ["garden"]


def test_a_foreign_complaint_says_nothing_of_abuse(data: Path) -> None:
    rows = foreign(data, 100, 1, validation=False)
    assert {row.source for row in rows} == {"harmless.foreign.de"}
    for row in rows:
        assert (set(MODERATION_HEADS) - set(row.targets)) == (
            ABUSIVE if "negative" in row.text else set()
        )
        assert row.targets["sexual"] == 0.0


def test_joined_texts_of_validation_hold_turns_of_their_own_half(data: Path) -> None:
    rows = joined_validation(data, 4, 1)
    assert {row.source for row in rows} == {"harmless.joined10", "harmless.joined20"}
    for row in rows:
        turns = re.findall(r"turn \d+ about the garden", row.text)
        assert len(turns) == int(row.source.removeprefix("harmless.joined"))
        assert all(is_validation(turn) for turn in turns)
        assert {is_calibration(turn) for turn in turns} == {is_calibration(row.text)}


def test_no_text_of_validation_is_learnt(data: Path) -> None:
    learnt = innocent(data, WORDS, 1, 0.02)
    kept = innocent_validation(data, WORDS, 1)
    assert not [row for row in learnt if is_validation(row.text)]
    assert not {row.text for row in learnt} & {row.text for row in kept}
    turns = {turn for row in learnt for turn in re.findall(r"turn \d+ about the garden", row.text)}
    assert turns
    assert not [turn for turn in turns if is_validation(turn)]


def test_a_share_of_innocent_texts_is_a_share_of_each_kind(data: Path) -> None:
    few, many = len(innocent(data, WORDS, 1, 0.02)), len(innocent(data, WORDS, 1, 0.04))
    assert few < many < 3 * few
