"""Texts labelled by hand, never trained on: the check of finished models by head and by kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from training.labels import MODERATION_LABELS

FOLDER = Path(__file__).with_name("labelled")

CONCERNS: Mapping[str, tuple[str, ...]] = {
    "threats": ("threat", "harassment_threatening"),
    "hate": ("identity_attack", "hate_threatening"),
    "abuse": ("toxicity", "insult", "severe_toxicity"),
    "swearing": ("profanity",),
    "sexual": ("sexual",),
    "selfharm": ("self_harm", "self_harm_intent", "self_harm_instructions"),
    "violence": ("violence", "violence_graphic"),
    "illicit": ("illicit", "illicit_violent"),
    "spam": ("spam",),
    "chat": ("harm",),
    "long": ("harm",),
    "tricks": ("harm",),
}
"""Theme, which is a file's name, to the labels that apply or are nearly missed in it."""


class Kind(StrEnum):
    """What sort of text it is; see the folder's README."""

    DIRECT = "direct"
    VEILED = "veiled"
    REQUEST = "request"
    QUESTION = "question"
    QUOTE = "quote"
    COUNTER = "counter"
    REPORT = "report"
    FICTION = "fiction"
    GAME = "game"
    SPORT = "sport"
    MEDICAL = "medical"
    FIGURATIVE = "figurative"
    TECHNICAL = "technical"
    NAME = "name"
    GROUP = "group"
    RECLAIMED = "reclaimed"
    BANTER = "banter"
    CHAT = "chat"
    SUPPORT = "support"
    SYSTEM = "system"
    SHORT = "short"
    AD = "ad"
    LONG = "long"
    HIDDEN = "hidden"
    TRICKS = "tricks"


@dataclass(frozen=True, slots=True)
class LabelledText:
    """One text with a judgement, 0 or 1, for each label; a label that is missing is unclear."""

    text: str
    labels: Mapping[str, int]
    kind: Kind
    theme: str


def read(folder: Path = FOLDER) -> list[LabelledText]:
    """Every text of every theme. Raises ValueError, naming the line, for one that is malformed."""
    return [
        _parse(line, path.stem, f"{path.name}:{number}")
        for path in sorted(folder.glob("*.jsonl"))
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], 1)
    ]


def concerned(texts: list[LabelledText], label: str) -> list[LabelledText]:
    """Those whose theme is about the label, and that say it."""
    return [t for t in texts if label in CONCERNS[t.theme] and label in t.labels]


def _parse(line: str, theme: str, place: str) -> LabelledText:
    try:
        record = json.loads(line)
        text = LabelledText(record["text"], record["labels"], Kind(record["kind"]), theme)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{place} is not a labelled text: {error}") from error
    if not isinstance(text.text, str) or not text.text.strip():
        raise ValueError(f"{place} has no text")
    if not isinstance(text.labels, dict) or not _are_judgements(text.labels):
        raise ValueError(f"{place} has labels other than 0 and 1, or unknown ones")
    if theme not in CONCERNS:
        raise ValueError(f"{place} is in a file of no known theme")
    return text


def _are_judgements(labels: Mapping[str, object]) -> bool:
    return all(
        label in MODERATION_LABELS and type(value) is int and value in (0, 1)
        for label, value in labels.items()
    )
