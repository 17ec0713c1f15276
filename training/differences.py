"""What a model has learnt since it began, small enough to keep and to go on from.

Learning moves a weight by a hundredth of its size: such differences take a bit and a half each
when they are packed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from inference.weights_numpy import Bytes
from training.decoder_graph import Array, Arrays

STEP = 2.0**-8
"""The size of one level. A loss of 3.107 became 3.109 with it, 3.276 with twice as much."""
LARGEST = 127


def differences(start: Arrays, learnt: Arrays) -> dict[str, Bytes]:
    """How many steps each weight moved, of those matrices and vectors that moved at all."""
    found = {}
    for name, weight in learnt.items():
        levels = np.clip(np.round((weight - start[name]) / STEP), -LARGEST, LARGEST)
        if levels.any():
            found[name] = np.atleast_2d(levels).astype(np.int8)
    return found


def added(start: Arrays, kept: Mapping[str, Bytes]) -> dict[str, Array]:
    """The weights after these steps; raises ValueError where they are those of another model."""
    found = dict(start)
    for name, levels in kept.items():
        size = start[name].shape if name in start else None
        if size is None or levels.size != np.prod(size):
            raise ValueError(f"{name} moved {levels.shape}, but has the shape {size}.")
        found[name] = start[name] + (levels * np.float32(STEP)).reshape(size)
    return found
