"""Hides words from a filter, each way by itself: to measure with, never to learn from.

`noise.py` teaches slips of its own, and `inference` undoes some disguises; no trick here comes
from either, so that a figure found with them tells of more than what was prepared for.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.rows import Row
from training.scores import Judged, judge

ALIKE = dict(zip("aceiopsxyABEHKMOPTX", "асеіорѕхуАВЕНКМОРТХ", strict=True))
DIGITS = {"a": "4", "b": "8", "e": "3", "g": "9", "i": "1", "l": "1", "o": "0", "s": "5", "t": "7"}
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
MARKS = ".-_*/"
LONGEST = 200
"""Characters of the texts on which tricks are played."""
_WORD = re.compile(r"[A-Za-z]{4,}")

Trick = Callable[[str, random.Random], str]


def homoglyphs(word: str, dice: random.Random) -> str:
    """Letters of another script that look alike."""
    return "".join(ALIKE.get(letter, letter) for letter in word)


def zero_width(word: str, dice: random.Random) -> str:
    """A character that nobody sees after each letter but the last."""
    return "".join(letter + dice.choice(INVISIBLE) for letter in word[:-1]) + word[-1]


def leetspeak(word: str, dice: random.Random) -> str:
    """Digits for letters."""
    return "".join(DIGITS.get(letter.lower(), letter) for letter in word)


def spaced(word: str, dice: random.Random) -> str:
    """A space after each letter."""
    return " ".join(word)


def punctuated(word: str, dice: random.Random) -> str:
    """The same mark between all letters."""
    return dice.choice(MARKS).join(word)


def repeated(word: str, dice: random.Random) -> str:
    """One letter many times."""
    at = dice.randrange(len(word))
    return word[:at] + word[at] * dice.randint(3, 6) + word[at + 1 :]


def transposed(word: str, dice: random.Random) -> str:
    """Two neighbours, neither at an end where there are more, in each other's place."""
    at = dice.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def vowelless(word: str, dice: random.Random) -> str:
    """No vowels but one that the word begins with."""
    return word[0] + re.sub(r"[aeiouAEIOU]", "", word[1:])


def starred(word: str, dice: random.Random) -> str:
    """An asterisk for a letter within."""
    at = dice.randrange(1, len(word) - 1)
    return word[:at] + "*" + word[at + 1 :]


TRICKS: Mapping[str, Trick] = {
    "look-alike letters": homoglyphs,
    "invisible characters": zero_width,
    "digits for letters": leetspeak,
    "spaces between letters": spaced,
    "marks between letters": punctuated,
    "letters repeated": repeated,
    "neighbours swapped": transposed,
    "vowels dropped": vowelless,
    "an asterisk for a letter": starred,
}


def play(trick: Trick, text: str, dice: random.Random) -> str:
    """The text with the trick played on every word of four letters or more."""
    return _WORD.sub(lambda found: trick(found[0], dice), text)


def kept(folder: Path, caught: Sequence[Row], seed: int = 29) -> dict[str, NDArray[np.bool_]]:
    """For each trick whether each of these texts, caught when plain, still is at 0.5."""
    found = {}
    for name, trick in TRICKS.items():
        dice = random.Random(f"{seed}.{name}")
        tricked = [Row(play(trick, row.text, dice)) for row in caught]
        found[name] = judge(folder, tricked).flagged("harm")
    return found


def caught_abuse(judged: Judged) -> list[Row]:
    """Short abusive texts that `harm` catches as they are."""
    abuse = judged.known("toxicity").where(lambda row: len(row.text) < LONGEST)
    hit = abuse.truth("toxicity") & abuse.flagged("harm")
    return [row for row, yes in zip(abuse.rows, hit, strict=True) if yes]
