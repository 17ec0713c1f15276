"""What follows a network's logits: calibration on validation rows, and rules between labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.calibrate import balanced, fit_affine, fit_blend, fit_classes
from training.graph import Ending
from training.labels import HARMLESS, MODERATION_HEADS, MODERATION_LABELS, PARENTS, SENTIMENT_LABELS
from training.rows import Row
from training.validation import is_innocent

KINDS_OF_HARM = (
    "self_harm", "sexual", "illicit", "threat", "violence", "identity_attack", "toxicity",
)  # fmt: skip
POSITIVE_SHARE = 0.3
ENOUGH = 25
"""Rows of each kind without which a head keeps its logits as they are."""


def moderation_ending(logits: NDArray[np.float32], rows: Sequence[Row]) -> Ending:
    """A calibration for each head on a mix with a stated share of positives."""
    slopes = np.ones(len(MODERATION_HEADS), dtype=np.float32)
    shifts = np.zeros_like(slopes)
    for column, head in enumerate(MODERATION_HEADS):
        known = [i for i, row in enumerate(rows) if head in row.targets]
        targets = np.array([rows[i].targets[head] for i in known])
        weights = balanced(targets, np.ones(len(known)), POSITIVE_SHARE)
        if min((targets >= 0.5).sum(), (targets < 0.5).sum()) >= ENOUGH:
            found = fit_affine(logits[known, column].astype(np.float64), targets, weights)
            slopes[column], shifts[column] = found
    placed = logits * slopes + shifts
    own, blend, shift = _harm_blend(placed.astype(np.float64), rows)
    slopes[0], shifts[0] = slopes[0] * own, shifts[0] * own + shift
    return Ending(slopes, shifts, blend=blend, ceilings=_ceilings(), factors=_factors())


def _harm_blend(
    placed: NDArray[np.float64], rows: Sequence[Row]
) -> tuple[float, NDArray[np.float32], float]:
    """`harm` from its own head and, as far as it helps, from the heads of the categories.

    Innocent texts are left out: so many that nobody could take for harmful would make what lies
    on the border look worse than it is.
    """
    known = [i for i, row in enumerate(rows) if "harm" in row.targets and not is_innocent(row)]
    columns = [i for i, head in enumerate(MODERATION_HEADS) if head not in HARMLESS]
    targets = np.array([rows[i].targets["harm"] for i in known])
    weights = balanced(targets, _by_kind([rows[i] for i in known]), POSITIVE_SHARE)
    evidence = np.log1p(np.exp(np.clip(placed[np.ix_(known, columns)], -30.0, 30.0)))
    found = fit_blend(placed[known, 0], evidence, targets, weights)
    blend = np.zeros((len(MODERATION_HEADS), len(MODERATION_HEADS)), dtype=np.float32)
    blend[columns, 0] = found[1:-1]
    return float(found[0]), blend, float(found[-1])


def _by_kind(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Weights under which each kind of harm counts by the square root of its number.

    There are many insults and few texts on self-harm; `harm` is asked to notice both.
    """
    kinds = [max(KINDS_OF_HARM, key=lambda head: row.targets.get(head, 0.0)) for row in rows]
    harmful = [row.targets["harm"] >= 0.5 for row in rows]
    counts = Counter(kind for kind, yes in zip(kinds, harmful, strict=True) if yes)
    weights = [
        counts[kind] ** -0.5 if yes else 1.0 for kind, yes in zip(kinds, harmful, strict=True)
    ]
    return np.array(weights)


def _ceilings() -> list[int]:
    return [MODERATION_LABELS.index(PARENTS.get(name, name)) for name in MODERATION_LABELS]


def _factors() -> list[int]:
    none = len(MODERATION_LABELS)
    sexual = MODERATION_LABELS.index("sexual")
    return [sexual if name == "sexual_minors" else none for name in MODERATION_LABELS]


def sentiment_ending(logits: NDArray[np.float32], rows: Sequence[Row]) -> Ending:
    """One slope and a shift for each class, on validation rows with every class as frequent."""
    names = [max(SENTIMENT_LABELS, key=row.targets.__getitem__) for row in rows]
    truth = np.array([SENTIMENT_LABELS.index(name) for name in names])
    slope, shifts = fit_classes(logits.astype(np.float64), truth)
    slopes = np.full(len(shifts), slope, dtype=np.float32)
    return Ending(slopes, shifts.astype(np.float32), exclusive=True)
