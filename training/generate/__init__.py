"""Writes training sentences from templates, each harmful topic beside its safe twin.

A file holds topics; a topic is a header `[name | rows | targets | twin]` with a template a line.
`targets` are heads, with a soft value after a colon where it is not 1; heads not named are 0.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from training.holdout import is_validation
from training.labels import MODERATION_HEADS, mentions_minor
from training.rows import Row

FOLDER = Path(__file__).parent
FILES = (
    "threats", "hate", "sexual", "selfharm", "violence", "illicit", "spam", "prose", "subtle",
    "menace", "peoples", "adult", "despair", "bodies", "requests", "everyday", "contrasts",
    "written_abuse", "written_asked", "written_bodies", "written_contrasts", "written_daily",
    "written_disputes", "written_everyday", "written_games", "written_groups", "written_illicit",
    "written_long", "written_people", "written_posts", "written_quiet", "written_rare",
    "written_replies", "written_requests", "written_rough", "written_scrolls", "written_selfharm",
    "written_short", "written_stories", "written_threats", "written_veiled",
)  # fmt: skip
_HEADER = re.compile(r"\[([^|\]]+)\|([^|\]]+)\|([^|\]]*)(?:\|([^\]]*))?\]")
_SLOT = re.compile(r"\{(\w+)\}")
_SPACES = re.compile(r"\s+(?=[\s,.!?])|^\s+|\s+$")
_PROFANE = re.compile(
    r"fuck|shit|bitch|cunt|asshole|bastard|dick|wank|twat|prick|\b(?:ass|wtf|stfu|gtfo|cock|pussy|"
    r"tits|clit|cum|slut|omfg|damn|goddamn|crap|bloody hell|badass)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Topic:
    """One kind of sentence: its templates, what they teach, and how many are wanted."""

    name: str
    rows: int
    targets: Mapping[str, float]
    twin: str
    templates: tuple[str, ...]


@cache
def slots() -> dict[str, list[str]]:
    """Slot names to their options."""
    found: dict[str, list[str]] = {}
    for line in (FOLDER / "slots.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, _, options = line.partition(":")
            found[name] = [option.strip() for option in options.split("|")]
    return found


@cache
def topics() -> tuple[Topic, ...]:
    """Every topic of every file."""
    texts = [(FOLDER / f"{name}.txt").read_text(encoding="utf-8") for name in FILES]
    return tuple(topic for text in texts for topic in parse(text))


def parse(text: str) -> Iterator[Topic]:
    """The topics of one file."""
    for block in re.split(r"\n(?=\[[\w.]+ \|)", text.strip()):
        head, *lines = block.splitlines()
        match = _HEADER.fullmatch(head.strip())
        if match is None:
            raise ValueError(f"not a topic header: {head}")
        name, rows, targets, twin = (part.strip() if part else "" for part in match.groups())
        templates = tuple(line.strip() for line in lines if line.strip())
        twin = twin.removeprefix("twin").strip()
        yield Topic(name, int(rows), _targets(targets), twin, templates)


def _targets(text: str) -> dict[str, float]:
    found = {}
    for part in text.split():
        head, _, value = part.partition(":")
        if head not in MODERATION_HEADS:
            raise ValueError(f"not a head: {head}")
        found[head] = float(value or 1.0)
    return found


def fill(template: str, dice: random.Random) -> str:
    """The template with an option in each slot."""
    options = slots()
    while match := _SLOT.search(template):
        chosen = dice.choice(options[match[1]])
        template = template[: match.start()] + chosen + template[match.end() :]
    return _SPACES.sub("", template).lstrip(",. ")


def describe(text: str, topic: Topic) -> Row:
    """A row with every head known."""
    targets = dict.fromkeys(MODERATION_HEADS, 0.0) | dict(topic.targets)
    targets["profanity"] = 1.0 if _PROFANE.search(text) else 0.0
    targets["minor"] = float(mentions_minor(text))
    return Row(text, targets, f"generated.{topic.name}", 1.0)


def generate(seed: int, share: float = 1.0, *, validation: bool = False) -> list[Row]:
    """Rows of every topic; one template in eight is kept for validation and never trained on."""
    rows: list[Row] = []
    for topic in topics():
        dice = random.Random(f"{seed}.{topic.name}.{validation}")
        chosen = [t for t in topic.templates if is_validation(t, 8) == validation]
        wanted = round(topic.rows * share)
        rows += [describe(text, topic) for text in _texts(chosen, wanted, dice)]
    return rows


def _texts(templates: Sequence[str], wanted: int, dice: random.Random) -> list[str]:
    """Different texts; fewer than wanted where the templates cannot make so many."""
    found: dict[str, None] = {}
    for turn in range(wanted * 2):
        if len(found) == wanted or not templates:
            break
        found[_dressed(fill(templates[turn % len(templates)], dice), dice)] = None
    return list(found)


def _dressed(text: str, dice: random.Random) -> str:
    """The text, sometimes with the words around it that chat has."""
    if dice.random() < 0.2:
        text = f"{fill('{opener}', dice)} {text}"
    if dice.random() < 0.15:
        text = f"{text.rstrip('.')} {fill('{closer}', dice)}"
    if dice.random() < 0.3:
        text = text[:1].upper() + text[1:] + dice.choice((".", "!", ""))
    return text.strip()
