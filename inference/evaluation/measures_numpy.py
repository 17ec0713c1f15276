"""The measures of a label, from what people said and what the model said.

Every measure takes rows with weights: ones give the value itself, and how often each row was
drawn gives the value of a resample. `weights` has one row of weights for each value asked for.
A share of 0.5 and more counts as a positive; calibration error and Brier score compare a score
with the share itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.figures import Measure

Floats = NDArray[np.float64]
BINS = 10
"""Bins of equal width in which the calibration error is measured."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows from the highest score to the lowest; `ends` has the last row of each equal score."""

    shares: Floats
    scores: Floats
    positive: NDArray[np.bool_]
    ends: NDArray[np.intp]

    @property
    def ones(self) -> Floats:
        """Weights that take every row once."""
        return np.ones((1, len(self.scores)))


def rank(shares: Sequence[float], scores: Sequence[float]) -> Ranked:
    """Puts the rows in order; both sequences have one number in [0, 1] for each row."""
    said, given = np.asarray(shares, dtype=np.float64), np.asarray(scores, dtype=np.float64)
    order = np.argsort(-given, kind="stable")
    said, given = said[order], given[order]
    last = np.append(np.diff(given) != 0, True) if len(given) else np.empty(0, dtype=bool)
    return Ranked(said, given, said >= 0.5, np.flatnonzero(last))


def average_precision(rows: Ranked, weights: Floats) -> Floats:
    """Area under the precision–recall curve, by steps: no line is drawn between its points."""
    hits, alarms = counts(rows, weights)
    # A resample may lack the highest scores: nothing is gained there, whatever the precision.
    precision = np.nan_to_num(_ratio(hits, hits + alarms))
    return _ratio((_gains(hits) * precision).sum(axis=1), hits[:, -1])


def roc_area(rows: Ranked, weights: Floats) -> Floats:
    """The chance that a positive scores above a negative, equal scores counted half."""
    hits, alarms = counts(rows, weights)
    middle = hits - _gains(hits) / 2
    return _ratio((_gains(alarms) * middle).sum(axis=1), hits[:, -1] * alarms[:, -1])


def calibration_error(rows: Ranked, weights: Floats) -> Floats:
    """Expected calibration error: how far bins' mean scores are from their shares, by rows."""
    bins = bins_of(rows.scores, BINS)[:, None] == np.arange(BINS)
    gaps = weights @ (bins * (rows.scores - rows.shares)[:, None])
    return _ratio(np.abs(gaps).sum(axis=1), weights.sum(axis=1))


def brier(rows: Ranked, weights: Floats) -> Floats:
    """Mean square of the difference between score and share."""
    return _ratio(weights @ (rows.scores - rows.shares) ** 2, weights.sum(axis=1))


def measures_at(threshold: float) -> Mapping[Measure, Callable[[Ranked, Floats], Floats]]:
    """Every measure; those that need a yes or no say yes at the threshold and above."""
    return {
        Measure.AUPRC: average_precision,
        Measure.ROC_AUC: roc_area,
        Measure.CALIBRATION_ERROR: calibration_error,
        Measure.BRIER: brier,
        Measure.FALSE_POSITIVE_RATE: lambda rows, weights: _flagged_share(
            rows, weights, threshold, ~rows.positive
        ),
        Measure.RECALL: lambda rows, weights: _flagged_share(
            rows, weights, threshold, rows.positive
        ),
        Measure.PRECISION: lambda rows, weights: _precision(rows, weights, threshold),
        Measure.F1: lambda rows, weights: _f1(rows, weights, threshold),
    }


def counts(rows: Ranked, weights: Floats) -> tuple[Floats, Floats]:
    """Positives and negatives at or above each different score, the highest first."""
    hits = np.cumsum(weights * rows.positive, axis=1)[:, rows.ends]
    alarms = np.cumsum(weights * ~rows.positive, axis=1)[:, rows.ends]
    return hits, alarms


def bins_of(scores: Floats, bins: int) -> NDArray[np.intp]:
    """The number of each score's bin, among bins of equal width; 1.0 is in the last."""
    return np.minimum((scores * bins).astype(np.intp), bins - 1)


def _flagged_share(
    rows: Ranked, weights: Floats, threshold: float, among: NDArray[np.bool_]
) -> Floats:
    flagged = among & (rows.scores >= threshold)
    return _ratio(weights @ flagged.astype(np.float64), weights @ among.astype(np.float64))


def _precision(rows: Ranked, weights: Floats, threshold: float) -> Floats:
    flagged = rows.scores >= threshold
    right = (flagged & rows.positive).astype(np.float64)
    return _ratio(weights @ right, weights @ flagged.astype(np.float64))


def _f1(rows: Ranked, weights: Floats, threshold: float) -> Floats:
    flagged = rows.scores >= threshold
    right = weights @ (flagged & rows.positive).astype(np.float64)
    both = weights @ (flagged.astype(np.float64) + rows.positive)
    return _ratio(2 * right, both)


def _gains(cumulated: Floats) -> Floats:
    return np.diff(cumulated, axis=1, prepend=0.0)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Quotients, and NaN where there is nothing to divide by."""
    found: Floats = np.full(below.shape, np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found
