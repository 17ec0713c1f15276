"""Measures how well sentiments are told apart: by set, and by kind of text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.mentions import LINK, MENTION
from training.calibrate import calibration_error, class_recalls
from training.labels import SENTIMENT_LABELS
from training.rows import Row

Truth = NDArray[np.int64]
Scores = NDArray[np.float64]

LABELLED = Path(__file__).with_name("labelled_moods.jsonl")
"""Texts of eleven kinds, written and judged one by one; nothing is ever trained on them."""
SHORT, LONG = 8, 20
_NEGATION = re.compile(r"\b(?:not|no|never|nothing|nobody|none|without)\b|n['’]t\b", re.I)
_FACE = re.compile(r"[:;=]['-]?[)(DPp/|]|<3|[\u2600-\u27bf\U0001f300-\U0001faff]")
KINDS: Mapping[str, Callable[[str], bool]] = {
    f"of at most {SHORT} words": lambda text: len(text.split()) <= SHORT,
    f"of {LONG} words or more": lambda text: len(text.split()) >= LONG,
    "with a negation": lambda text: _NEGATION.search(text) is not None,
    "with a question mark": lambda text: "?" in text,
    "with an emoji or a face of signs": lambda text: _FACE.search(text) is not None,
}


def truth_of(rows: Sequence[Row]) -> Truth:
    """The number of each row's sentiment."""
    best = [max(SENTIMENT_LABELS, key=row.targets.__getitem__) for row in rows]
    return np.array([SENTIMENT_LABELS.index(name) for name in best])


def masked(rows: Sequence[Row]) -> list[Row]:
    """The rows with `@user` for each handle and `http` for each link, as public sets have them."""
    texts = (LINK.sub("http", MENTION.sub("@user", row.text)) for row in rows)
    return [
        replace(row, text=text, source=f"{row.source}, masked")
        for row, text in zip(rows, texts, strict=True)
    ]


def labelled(path: Path = LABELLED) -> list[Row]:
    """The texts judged by hand. Raises ValueError, naming the line, for one that is malformed."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_parse(line, f"{path.name}:{number}") for number, line in enumerate(lines, 1)]


def _parse(line: str, place: str) -> Row:
    try:
        record = json.loads(line)
        text, sentiment, kind = (record[name] for name in ("text", "sentiment", "kind"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{place} is no text with a sentiment: {error}") from error
    if sentiment not in SENTIMENT_LABELS or not isinstance(text, str) or not text.strip():
        raise ValueError(f"{place} has no text or no sentiment: {line}")
    return Row(text, {name: float(name == sentiment) for name in SENTIMENT_LABELS}, str(kind))


def report(rows: Sequence[Row], scores: Scores, *, kinds: bool = True) -> list[str]:
    """Recall of each class, their mean and the calibration error, by set and by kind of text."""
    truth = truth_of(rows)
    lines = ["| texts | number | negative | neutral | positive | mean | ECE |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, here in _parts(rows, kinds=kinds):
        recalls = class_recalls(truth[here], scores[here].argmax(axis=1), len(SENTIMENT_LABELS))
        figures = [*recalls, recalls.mean(), confidence_error(truth[here], scores[here])]
        shown = " | ".join("–" if np.isnan(each) else f"{each:.3f}" for each in figures)
        lines.append(f"| {name} | {int(here.sum())} | {shown} |")
    return lines


def _parts(rows: Sequence[Row], *, kinds: bool) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for source in sorted({row.source for row in rows}):
        yield source, np.array([row.source == source for row in rows])
    if not kinds:
        yield "all of them", np.ones(len(rows), dtype=bool)
        return
    for name, fits in KINDS.items():
        found = np.array([fits(row.text) for row in rows])
        if found.any():
            yield name, found


def confidence_error(truth: Truth, scores: Scores) -> float:
    """The calibration error of the answer's own score."""
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    return calibration_error(right, scores.max(axis=1))
