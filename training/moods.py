"""Measures how well sentiments are told apart: by set, and by kind of text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from inference.mentions import LINK, MENTION
from training.calibrate import calibration_error, class_recalls
from training.labels import SENTIMENT_LABELS
from training.rows import Row

Truth = NDArray[np.int64]
Scores = NDArray[np.float64]

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


def report(rows: Sequence[Row], scores: Scores) -> list[str]:
    """Recall of each class, their mean and the calibration error, by set and by kind of text."""
    truth = truth_of(rows)
    lines = ["| texts | number | negative | neutral | positive | mean | ECE |"]
    lines.append("|---|---|---|---|---|---|---|")
    for name, here in _parts(rows):
        recalls = class_recalls(truth[here], scores[here].argmax(axis=1), len(SENTIMENT_LABELS))
        figures = [*recalls, recalls.mean(), confidence_error(truth[here], scores[here])]
        shown = " | ".join("–" if np.isnan(each) else f"{each:.3f}" for each in figures)
        lines.append(f"| {name} | {int(here.sum())} | {shown} |")
    return lines


def _parts(rows: Sequence[Row]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for source in sorted({row.source for row in rows}):
        yield source, np.array([row.source == source for row in rows])
    for name, fits in KINDS.items():
        found = np.array([fits(row.text) for row in rows])
        if found.any():
            yield name, found


def confidence_error(truth: Truth, scores: Scores) -> float:
    """The calibration error of the answer's own score."""
    right = (scores.argmax(axis=1) == truth).astype(np.float64)
    return calibration_error(right, scores.max(axis=1))
