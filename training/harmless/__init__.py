"""Writes harmless texts of the kinds that chat and comments lack: a word, a name, code, pages.

A file holds topics, `[kind.topic]` with a template a line. One template in eight, and one option
of a slot in eight, is kept for validation by its hash. Every head is 0, but for `minor`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from training.holdout import is_validation
from training.labels import MODERATION_HEADS, mentions_minor
from training.rows import Row

FOLDER = Path(__file__).parent
FILES = ("short", "code", "technical", "prose", "queries")
BETWEEN = (" ", " ", "\n", "\n\n")
_HEADER = re.compile(r"\[(\w+\.\w+)\]")
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Kind:
    """How many texts of a file a mix takes, and of how many sentences each."""

    rows: int
    shortest: int = 1
    longest: int = 1


KINDS = {
    "short": Kind(9000),
    "code": Kind(2000, 1, 5),
    "technical": Kind(3500, 1, 6),
    "prose": Kind(4000, 2, 12),
    "queries": Kind(2500),
}


@cache
def slots() -> dict[str, list[str]]:
    """Slot names to their options."""
    lines = (FOLDER / "slots.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(": ", 1) for line in lines if line and not line.startswith("#"))
    return {name: options.split("|") for name, options in pairs}


@cache
def topics(name: str) -> Mapping[str, Sequence[str]]:
    """The topics of one file with their templates."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if match := _HEADER.fullmatch(line):
            templates = found[match[1]] = []
        else:
            templates.append(line)
    return found


def written(seed: int, share: float = 1.0, *, validation: bool = False) -> list[Row]:
    """Texts of every file, each once."""
    rows: dict[str, Row] = {}
    for name, kind in KINDS.items():
        dice = random.Random(f"{seed}.{name}.{validation}")
        chosen = _chosen(name, validation=validation)
        for _ in range(round(kind.rows * share)):
            topic = dice.choice(sorted(chosen))
            text = _text(chosen[topic], kind, dice, validation=validation)
            rows[text] = harmless(text, topic)
    return list(rows.values())


def harmless(text: str, name: str, weight: float = 1.0) -> Row:
    """A row in which nothing is harmful, lewd, profane or spam."""
    targets = dict.fromkeys(MODERATION_HEADS, 0.0) | {"minor": float(mentions_minor(text))}
    return Row(text, targets, f"harmless.{name}", weight)


def _chosen(name: str, *, validation: bool) -> dict[str, list[str]]:
    """The templates of each topic on one side; those of a word or two serve both, filled anew."""
    every = topics(name)
    if name == "short":
        return {topic: list(templates) for topic, templates in every.items()}
    kept = {
        topic: [each for each in templates if is_validation(each, 8) == validation]
        for topic, templates in every.items()
    }
    return {topic: templates for topic, templates in kept.items() if templates}


def _text(templates: Sequence[str], kind: Kind, dice: random.Random, *, validation: bool) -> str:
    wanted = dice.randint(kind.shortest, kind.longest)
    parts = dice.sample(templates, min(wanted, len(templates)))
    filled = [_fill(part, dice, validation=validation) for part in parts]
    return _cased(dice.choice(BETWEEN).join(filled), dice)


def _fill(template: str, dice: random.Random, *, validation: bool) -> str:
    def option(match: re.Match[str]) -> str:
        return dice.choice(_options(match[1], validation=validation))

    return _SLOT.sub(option, template)


@cache
def _options(slot: str, *, validation: bool) -> list[str]:
    every = slots()[slot]
    return [each for each in every if is_validation(each, 8) == validation] or every


def _cased(text: str, dice: random.Random) -> str:
    luck = dice.random()
    if luck < 0.15:
        return text.lower()
    return text[:1].upper() + text[1:] if luck < 0.3 else text
