"""Tricks hide the longer words of a text, each in its own way, and are repeated by their seed."""

import random
import unicodedata
from pathlib import Path

import pytest

from tests.training.judging import judged
from training import noise, tricks
from training.rows import Row
from training.tricks import TRICKS, play

(GUARD,) = (Path(__file__).parents[2] / "plugins" / "models").glob("guard-mini-*")
TEXT = "You are a stupid, worthless idiot!"


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_changes_the_longer_words_only(name: str) -> None:
    made = play(TRICKS[name], TEXT, random.Random(1))
    assert made.startswith("You are a ")
    assert made.endswith("!")
    assert not {"stupid", "worthless", "idiot"} & set(made.replace(",", "").strip("!").split())


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_repeats_itself_with_its_seed(name: str) -> None:
    first, second = (play(TRICKS[name], TEXT, random.Random(3)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_survives_every_short_word(name: str) -> None:
    for word in ("abcd", "aaaa", "Zzzz", "EEEE"):
        for seed in range(30):
            assert play(TRICKS[name], word, random.Random(seed))


def test_each_trick_does_what_its_name_says() -> None:
    dice = random.Random(2)
    assert any("CYRILLIC" in unicodedata.name(sign) for sign in tricks.homoglyphs("idiot", dice))
    hidden = tricks.zero_width("idiot", dice)
    assert "".join(sign for sign in hidden if sign.isascii()) == "idiot"
    assert len(hidden) == 9
    assert tricks.leetspeak("idiots", dice) == "1d1075"
    assert tricks.spaced("idiot", dice) == "i d i o t"
    marked = tricks.punctuated("idiot", dice)
    assert marked.replace(marked[1], "") == "idiot"
    assert len(tricks.repeated("idiot", dice)) >= 7
    swapped = tricks.transposed("idiot", dice)
    assert swapped != "idiot"
    assert sorted(swapped) == sorted("idiot")
    assert swapped[0] + swapped[-1] == "it"
    assert tricks.vowelless("idiot", dice) == "idt"
    starred = tricks.starred("idiot", dice)
    assert starred.count("*") == 1
    assert starred[0] + starred[-1] == "it"


def test_no_trick_is_one_that_training_plays() -> None:
    ours = {trick.__code__ for trick in TRICKS.values()}
    theirs = {each.__code__ for each in vars(noise).values() if hasattr(each, "__code__")}
    assert not ours & theirs


def test_only_short_abuse_that_is_caught_is_disguised() -> None:
    abuse, calm = {"toxicity": 1.0}, {"toxicity": 0.0}
    rows = [Row("a", abuse), Row("missed", abuse), Row("calm", calm), Row("b" * 300, abuse)]
    scores = [{"harm": 0.9}, {"harm": 0.2}, {"harm": 0.9}, {"harm": 0.9}]
    assert [row.text for row in tricks.caught_abuse(judged(rows, scores))] == ["a"]


def test_what_is_still_caught_is_counted_for_each_trick() -> None:
    found = tricks.kept(GUARD, [Row("you are a stupid idiot"), Row("good morning everybody")])
    assert set(found) == set(TRICKS)
    assert found["spaces between letters"].tolist() == [True, False]
