"""Sentences with choices: `[a|b]` is one of both, `{name}` a phrase or a slot.

A phrase is chosen anew each time it is named; a slot keeps its value through one exchange, so
that an answer can take up what was asked.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, MutableMapping
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
_INNERMOST = re.compile(r"\[([^\[\]]*)\]|\{([a-z_]+)\}")
_SPACES = re.compile(r" {2,}")
_BEFORE_MARK = re.compile(r" +([,.!?])")
_START = re.compile(r"(^|[.!?] )([a-z])")


def expand(text: str, dice: random.Random, slots: MutableMapping[str, str]) -> str:
    """One of the sentences that the text stands for; fills `slots` on the way."""
    while found := _INNERMOST.search(text):
        choices, name = found.groups()
        chosen = dice.choice(choices.split("|")) if name is None else named(name, dice, slots)
        text = f"{text[: found.start()]}{chosen}{text[found.end() :]}"
    return _BEFORE_MARK.sub(r"\1", _SPACES.sub(" ", text)).strip(" ,")


def named(name: str, dice: random.Random, slots: MutableMapping[str, str]) -> str:
    """A phrase, or the slot's value; raises KeyError for an unknown name."""
    phrases = lists("phrases.txt")
    if name in phrases:
        return dice.choice(phrases[name])
    if name not in slots:
        slots[name] = dice.choice(lists("slots.txt")[name])
    return slots[name]


def capitals(text: str) -> str:
    """The text with a capital at the start of each sentence."""
    return _START.sub(lambda found: found[1] + found[2].upper(), text)


@cache
def lists(file: str) -> Mapping[str, tuple[str, ...]]:
    """The lists of a file: `= name` and then one entry a line."""
    return dict(_lists((FOLDER / file).read_text(encoding="utf-8")))


def _lists(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for block in re.split(r"^= ", text, flags=re.MULTILINE)[1:]:
        name, *entries = block.split("\n")
        yield name.strip(), tuple("" if each == "-" else each for each in entries if each)
