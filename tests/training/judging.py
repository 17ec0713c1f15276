"""Rows with scores as if a model had judged them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from training.labels import MODERATION_LABELS
from training.rows import Row
from training.scores import Judged


def judged(rows: Sequence[Row], scores: Sequence[Mapping[str, float]]) -> Judged:
    """Each row with its scores; a label that is not said scores 0."""
    found = [[each.get(label, 0.0) for label in MODERATION_LABELS] for each in scores]
    return Judged(rows, np.array(found).reshape(-1, len(MODERATION_LABELS)), MODERATION_LABELS)
