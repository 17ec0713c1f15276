"""Rows are disturbed as people disturb texts, and sometimes lose whom and what they name."""

import random

import pytest

from training.mix import disturb
from training.noise import unaddressed
from training.rows import Row


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("@user @user you are right", "you are right"),
        ("read this http", "read this"),
        ("see https://t.example/a8 and www.example.com/x now", "see and now"),
        ("the httpd of 2 o'clock", "the httpd of 2 o'clock"),
        ("no names here", "no names here"),
    ],
)
def test_mentions_and_links_go(text: str, left: str) -> None:
    assert unaddressed(text) == left


def test_about_half_of_the_tweets_lose_their_mentions() -> None:
    dice = random.Random(1)
    row = Row("@user good morning to everybody in the garden", {"toxicity": 0.0}, "olid")
    made = [disturb(row, dice) for _ in range(400)]
    assert 150 < sum("user" not in each.text.lower() for each in made) < 250
    assert all(each.targets == row.targets for each in made)


def test_a_row_of_nothing_but_a_mention_is_not_emptied() -> None:
    dice = random.Random(1)
    assert all(disturb(Row("@user"), dice).text.strip() for _ in range(50))
