"""Fits the calibration that makes a model's scores probabilities, and measures scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def sigmoid(values: Floats) -> Floats:
    """The logistic function."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -40.0, 40.0))), dtype=np.float64)


def balanced(targets: Floats, weights: Floats, positive_share: float) -> Floats:
    """Weights under which positives make up `positive_share` of the known rows."""
    positive = float((targets * weights).sum())
    negative = float(((1.0 - targets) * weights).sum())
    if positive == 0.0 or negative == 0.0:
        return weights
    up = positive_share / positive
    down = (1.0 - positive_share) / negative
    return np.asarray(weights * (targets * up + (1.0 - targets) * down), dtype=np.float64)


def fit_affine(logits: Floats, targets: Floats, weights: Floats) -> tuple[float, float]:
    """Slope and shift of a logit (Platt's method, by Newton's steps)."""
    slope, shift = 1.0, 0.0
    total = max(float(weights.sum()), 1e-12)
    for _ in range(50):
        probability = sigmoid(slope * logits + shift)
        error = weights * (probability - targets) / total
        bend = weights * probability * (1.0 - probability) / total + 1e-12
        gradient = np.array([(error * logits).sum() + 1e-3 * (slope - 1.0), error.sum()])
        cross = (bend * logits).sum()
        curve = np.array([[(bend * logits**2).sum() + 1e-3, cross], [cross, bend.sum() + 1e-6]])
        step = np.clip(np.linalg.solve(curve, gradient), -1.0, 1.0)
        slope, shift = slope - float(step[0]), shift - float(step[1])
        if float(np.abs(step).max()) < 1e-6:
            break
    return float(np.clip(slope, 0.3, 4.0)), shift


def fit_blend(own: Floats, evidence: Floats, targets: Floats, weights: Floats) -> Floats:
    """Logistic weights: own logit, then each column of evidence (none below 0), then a shift."""
    spread = np.maximum(evidence.std(axis=0), 1e-3)
    inputs = np.column_stack([own, evidence / spread, np.ones(len(own))])
    floor = np.zeros(inputs.shape[1])
    floor[-1] = -np.inf
    found = np.zeros(inputs.shape[1])
    found[0] = 1.0
    share = weights / weights.sum()
    for _ in range(3000):
        gradient = inputs.T @ (share * (sigmoid(inputs @ found) - targets)) + 1e-4 * found
        found = np.maximum(found - 0.3 * gradient, floor)
    found[1:-1] /= spread
    return found


def fit_classes(logits: Floats, truth: NDArray[np.int64]) -> tuple[float, Floats]:
    """Slope and shifts of exclusive classes, as if every class were as frequent."""
    size = logits.shape[1]
    counts = np.bincount(truth, minlength=size)
    weights = (1.0 / np.maximum(counts, 1))[truth]
    weights /= weights.sum()
    wanted = np.eye(size)[truth]
    slope, shifts = 1.0, np.zeros(size)
    for _ in range(400):
        raised = slope * logits + shifts
        raised = np.exp(raised - raised.max(axis=1, keepdims=True))
        error = (raised / raised.sum(axis=1, keepdims=True) - wanted) * weights[:, None]
        slope -= 0.5 * float((error * logits).sum())
        shifts -= 2.0 * error.sum(axis=0)
    return slope, shifts


def average_precision(targets: Floats, scores: Floats) -> float:
    """Area under the precision–recall curve."""
    order = np.argsort(-scores, kind="stable")
    hits = targets[order] >= 0.5
    if not hits.any():
        return float("nan")
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    return float(precision[hits].mean())


def roc_area(targets: Floats, scores: Floats) -> float:
    """Area under the receiver operating curve, ties counted half."""
    positive = targets >= 0.5
    if positive.all() or not positive.any():
        return float("nan")
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[places]
    n = int(positive.sum())
    area = (ranks[positive].sum() - n * (n + 1) / 2.0) / (n * (len(targets) - n))
    return float(area)


def calibration_error(targets: Floats, scores: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal width."""
    place = np.minimum((scores * bins).astype(int), bins - 1)
    error = 0.0
    for number in range(bins):
        inside = place == number
        if inside.any():
            gap = abs(float(targets[inside].mean()) - float(scores[inside].mean()))
            error += gap * float(inside.mean())
    return error


def threshold_at(scores: Floats, rate: float) -> float:
    """The smallest threshold that at most `rate` of these scores reach."""
    ordered = np.sort(scores)[::-1]
    allowed = int(rate * len(ordered))
    return float(np.nextafter(ordered[min(allowed, len(ordered) - 1)], 2.0))


def macro_f1(truth: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> float:
    """The mean of F1 on those that are something and F1 on those that are not."""
    return (_f1(truth, flagged) + _f1(~truth, ~flagged)) / 2.0


def _f1(truth: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> float:
    return 2.0 * float((flagged & truth).sum()) / max(float(flagged.sum() + truth.sum()), 1.0)


def best_macro_f1(truth: NDArray[np.bool_], scores: Floats) -> float:
    """The highest such mean at any threshold; 0 where there is nothing to judge."""
    found = [macro_f1(truth, scores >= level) for level in np.unique(scores)]
    return max(found, default=0.0)


def class_recalls(truth: NDArray[np.int64], answers: NDArray[np.int64], classes: int) -> Floats:
    """The share of each class that is answered with it; a class that never occurs is no number."""
    hits = np.bincount(truth[truth == answers], minlength=classes)
    counts = np.bincount(truth, minlength=classes)
    return np.where(counts > 0, hits / np.maximum(counts, 1), np.nan)
