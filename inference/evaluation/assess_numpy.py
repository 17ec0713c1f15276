"""The figures and curves of one label, with intervals by stratified bootstrap."""

from collections.abc import Iterator, Sequence

import numpy as np

from inference.evaluation.figures import Bin, Curves, Figure, LabelFigures, Measure, Method, Point
from inference.evaluation.measures_numpy import (
    BINS,
    Floats,
    Ranked,
    bins_of,
    counts,
    measures_at,
    rank,
)

STEPS = 20
"""Steps of the histograms."""
MAX_POINTS = 200
"""Points of a drawn curve; one with more is thinned evenly."""
CELLS = 1_000_000
"""Weights in memory at once."""
INTERVAL = (0.025, 0.975)


def assess(
    label: str, shares: Sequence[float], scores: Sequence[float], method: Method
) -> LabelFigures | None:
    """The label's figures, or None where a positive or a negative is missing.

    Intervals hold the middle 95 % of the resamples' values, each from as many positives and as
    many negatives as there are, drawn with replacement.
    """
    rows = rank(shares, scores)
    positives = int(rows.positive.sum())
    if positives in (0, len(rows.scores)):
        return None
    values = _values(rows, rows.ones, method.threshold)
    drawn = [_values(rows, weights, method.threshold) for weights in resampled(rows, method)]
    figures = {
        measure: _figure(values[measure], [each[measure] for each in drawn]) for measure in Measure
    }
    return LabelFigures(label, len(rows.scores), positives, figures, curves(rows))


def resampled(rows: Ranked, method: Method) -> Iterator[Floats]:
    """Weights of so many resamples, some at a time: how often each row was drawn."""
    dice = np.random.default_rng(method.seed)
    classes = (np.flatnonzero(rows.positive), np.flatnonzero(~rows.positive))
    at_once = max(1, CELLS // len(rows.scores))
    for start in range(0, method.resamples, at_once):
        size = min(at_once, method.resamples - start)
        weights = np.zeros((size, len(rows.scores)))
        for members in classes:
            weights[:, members] = _draw(dice, size, len(members))
        yield weights


def curves(rows: Ranked) -> Curves:
    """What is drawn of a label."""
    hits, alarms = (each[0] for each in counts(rows, rows.ones))
    recall, precision = hits / hits[-1], hits / (hits + alarms)
    return Curves(
        precision_recall=_points(recall, precision),
        roc=((0.0, 0.0), *_points(alarms / alarms[-1], recall)),
        reliability=_reliability(rows),
        negatives=_histogram(rows.scores[~rows.positive]),
        positives=_histogram(rows.scores[rows.positive]),
    )


def _values(rows: Ranked, weights: Floats, threshold: float) -> dict[Measure, Floats]:
    return {name: measure(rows, weights) for name, measure in measures_at(threshold).items()}


def _figure(value: Floats, drawn: list[Floats]) -> Figure:
    if np.isnan(value[0]):
        return Figure(None)
    found = np.concatenate(drawn) if drawn else np.empty(0)
    found = found[~np.isnan(found)]
    if not len(found):
        return Figure(float(value[0]))
    low, high = np.quantile(found, INTERVAL)
    return Figure(float(value[0]), float(low), float(high))


def _draw(dice: np.random.Generator, size: int, members: int) -> Floats:
    drawn = dice.integers(0, members, (size, members)) + np.arange(size)[:, None] * members
    flat = np.bincount(drawn.ravel(), minlength=size * members)
    return flat.reshape(size, members).astype(np.float64)


def _points(across: Floats, up: Floats) -> tuple[Point, ...]:
    kept = np.unique(np.linspace(0, len(across) - 1, MAX_POINTS).round().astype(np.intp))
    return tuple((float(across[i]), float(up[i])) for i in kept)


def _reliability(rows: Ranked) -> tuple[Bin, ...]:
    places = bins_of(rows.scores, BINS)
    inside = [places == number for number in range(BINS)]
    return tuple(
        Bin(float(rows.scores[here].mean()), float(rows.shares[here].mean()), int(here.sum()))
        for here in inside
        if here.any()
    )


def _histogram(scores: Floats) -> tuple[int, ...]:
    return tuple(int(n) for n in np.bincount(bins_of(scores, STEPS), minlength=STEPS))
