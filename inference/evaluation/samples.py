"""Reads labelled texts, one JSON object a line; what is wrong with a line is told, not raised."""

import codecs
import json
import math
import re
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from inference.lines import MAX_LINE_BYTES, lines
from inference.types import Labels

MAX_TEXT = 10_000
MAX_LABELS = 1_000
EXPECTED = 'expected {"text": "…", "labels": {"label": 0, 1 or a fraction}}'
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and what people said of it: label to the share of them who saw it there.

    A label that is missing is unknown.
    """

    text: str
    labels: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no sample, by its number from 1, and what is wrong with it."""

    number: int
    problem: str


class _Bad(ValueError):
    """What is wrong with a line."""


def read(file: BinaryIO) -> Iterator[tuple[Sample | BadLine, int]]:
    """What each line holds, and how many bytes it has; blank lines are left out."""
    for number, (content, size) in enumerate(lines(file), start=1):
        if number == 1 and content is not None:
            content = content.removeprefix(codecs.BOM_UTF8)
        if content is not None and not content.strip():
            continue
        try:
            yield parse(content), size
        except _Bad as problem:
            yield BadLine(number, str(problem)), size


def parse(content: bytes | None) -> Sample:
    """The sample in a line; None stands for a line that was too long to be kept."""
    if content is None:
        raise _Bad(f"has over {MAX_LINE_BYTES} bytes")
    try:
        found = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _Bad(f"is not JSON in UTF-8 ({str(error)[:100]}); {EXPECTED}") from None
    if not isinstance(found, dict):
        raise _Bad(f"holds {_kind(found)}; {EXPECTED}")
    return Sample(_text(found.get("text")), _labels(found.get("labels", found.get("y"))))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _Bad(f"has {_kind(value)} for text; {EXPECTED}")
    if len(value) > MAX_TEXT:
        raise _Bad(f"has a text of {len(value)} characters; at most {MAX_TEXT} are allowed")
    return value


def _labels(value: object) -> dict[str, float]:
    if not isinstance(value, dict):
        raise _Bad(f"has {_kind(value)} for labels; {EXPECTED}")
    if len(value) > MAX_LABELS:
        raise _Bad(f"has {len(value)} labels; at most {MAX_LABELS} are allowed")
    for name in value:
        if not _LABEL.fullmatch(name):
            raise _Bad(f"names a label {name[:70]!r}; expected names like {_LABEL.pattern}")
    return {name: _share(name, each) for name, each in value.items() if each is not None}


def _share(name: str, value: object) -> float:
    if not isinstance(value, bool | int | float) or not 0 <= value <= 1 or math.isnan(value):
        raise _Bad(f"has {str(value)[:40]!r} for {name}; expected 0, 1, true, false or a fraction")
    return float(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "an empty text", type(None): "nothing"}
    return names.get(type(value), "a number")


@dataclass(slots=True)
class Pairs:
    """What people said of one label, and what the model said, in the same order."""

    shares: "array[float]" = field(default_factory=lambda: array("d"))
    scores: "array[float]" = field(default_factory=lambda: array("d"))


class Collected:
    """The pairs of every label that both the data and the model know."""

    def __init__(self) -> None:
        self.rows = 0
        self.pairs: dict[str, Pairs] = {}
        self.unknown: dict[str, int] = {}
        """Labels of the data that the model does not score, and in how many rows they are."""

    def add(self, samples: Iterable[Sample], scored: Iterable[Labels]) -> None:
        """Takes samples and the model's answers to them, in the same order."""
        for sample, scores in zip(samples, scored, strict=True):
            self.rows += 1
            for label, share in sample.labels.items():
                if label in scores:
                    pairs = self.pairs.setdefault(label, Pairs())
                    pairs.shares.append(share)
                    pairs.scores.append(scores[label])
                else:
                    self.unknown[label] = self.unknown.get(label, 0) + 1
