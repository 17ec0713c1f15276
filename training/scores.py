"""Scores texts with a model folder as the product does: cleaned, in windows, reduced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference import versions
from inference.runtime_onnx import OnnxRuntime
from training.rows import Row

Scores = NDArray[np.float64]


@cache
def opened(folder: Path) -> OnnxRuntime:
    """The product's runtime of a model folder."""
    return OnnxRuntime(folder, versions.load(folder))


@cache
def _known(folder: Path) -> dict[str, list[float]]:
    return {}


def score(folder: Path, rows: Sequence[Row]) -> Scores:
    """One row of probabilities a text, in order; a text that was judged before is not again."""
    runtime, known = opened(folder), _known(folder)
    fresh = list({row.text: None for row in rows if row.text not in known})
    known |= zip(fresh, runtime.run(fresh), strict=True)
    found = np.array([known[row.text] for row in rows], dtype=np.float64)
    return found.reshape(len(rows), len(runtime.labels))


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows, and what the model says of each label of each of them."""

    rows: Sequence[Row]
    scores: Scores
    labels: tuple[str, ...]

    def where(self, wanted: Callable[[Row], bool]) -> Judged:
        """Those rows only."""
        kept = [at for at, row in enumerate(self.rows) if wanted(row)]
        return Judged([self.rows[at] for at in kept], self.scores[kept], self.labels)

    def of(self, *sources: str) -> Judged:
        """The rows of these sources only."""
        return self.where(lambda row: row.source in sources)

    def known(self, label: str) -> Judged:
        """The rows that say the label."""
        return self.where(lambda row: label in row.targets)

    def truth(self, label: str) -> NDArray[np.bool_]:
        """Whether the label applies to each row."""
        return np.array([row.targets[label] >= 0.5 for row in self.rows], dtype=bool)

    def score(self, label: str) -> Scores:
        """What the model says of the label."""
        return self.scores[:, self.labels.index(label)]

    def flagged(self, label: str, threshold: float = 0.5) -> NDArray[np.bool_]:
        """Whether that reaches the threshold."""
        return self.score(label) >= threshold


def judge(folder: Path, rows: Sequence[Row]) -> Judged:
    """Rows with their scores."""
    return Judged(rows, score(folder, rows), opened(folder).labels)
