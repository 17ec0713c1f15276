"""Rounds a linear map's weights to so few levels that a packer needs three bits for each.

Levels are evenly spaced and rare large ones stay possible: what counts is their entropy. The error
of each weight is made up for by those that are not rounded yet: E. Frantar et al., "GPTQ: Accurate
Post-Training Quantization for Generative Pre-trained Transformers" (2022).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Levels = NDArray[np.int8]

LARGEST = 63
"""The largest level: sums of products then fit on processors without dot products of bytes."""
DAMPING = 0.01
"""What is added to each input's mean square, as a share of that of all."""
BLOCK = 128
"""Inputs whose errors are handed on together."""


def steps_of(weight: Floats, share: float) -> Floats:
    """The size of one level for each output [outputs]: this share of its weights' spread.

    Spread is their root mean square; outputs with a weight beyond the largest level get more.
    """
    spread = np.sqrt(np.square(weight).mean(axis=1))
    needed = np.abs(weight).max(axis=1) / LARGEST
    found: Floats = np.maximum(np.maximum(share * spread, needed), 1e-9).astype(np.float32)
    return found


def nearest(weight: Floats, steps: Floats) -> Levels:
    """Each weight [outputs, inputs] on the level nearest to it."""
    return np.clip(np.round(weight / steps[:, None]), -LARGEST, LARGEST).astype(np.int8)


def fitted(weight: Floats, steps: Floats, products: Floats) -> tuple[Levels, Floats]:
    """Levels [outputs, inputs] whose outputs are near the exact ones, and what they stand for.

    The latter are the weights that were rounded, each with the errors of others handed on to it.
    `products` [inputs, inputs] is the sum of the inputs' outer products, over the tokens of texts
    of the kind that the map will see. Inputs go one by one, those that vary most first.
    """
    order = np.argsort(-np.diagonal(products), kind="stable")
    left = weight[:, order].astype(np.float32)
    upper = _factors(products[np.ix_(order, order)])
    found = np.empty(left.shape, dtype=np.int8)
    for at in range(0, left.shape[1], BLOCK):
        end = min(at + BLOCK, left.shape[1])
        errors = np.empty((len(left), end - at), dtype=np.float32)
        for one in range(at, end):
            found[:, one] = nearest(left[:, one, None], steps)[:, 0]
            error = (left[:, one] - found[:, one] * steps) / upper[one, one]
            left[:, one + 1 : end] -= error[:, None] * upper[one, one + 1 : end]
            errors[:, one - at] = error
        left[:, end:] -= errors @ upper[at:end, end:]
    levels, wanted = np.empty_like(found), np.empty_like(left)
    levels[:, order], wanted[:, order] = found, left
    return levels, wanted


def _factors(products: Floats) -> Floats:
    """The upper Cholesky factor of the inverse of these products."""
    damping = DAMPING * max(float(np.diagonal(products).mean()), 1e-12)
    inverse = np.linalg.inv(products.astype(np.float64) + damping * np.eye(len(products)))
    found: Floats = np.linalg.cholesky((inverse + inverse.T) / 2.0).T.astype(np.float32)
    return found


def bits(levels: Levels) -> float:
    """How many bits an ideal packer needs for all of these levels together."""
    counts = np.bincount(levels.ravel().view(np.uint8))
    counts = counts[counts > 0]
    return float(-(counts * np.log2(counts / counts.sum())).sum())


def share_for(weights: Sequence[Floats], wanted: float) -> float:
    """The share of their spread at which these matrices take so many bits a weight."""
    low, high = 0.01, 3.0
    for _ in range(14):
        middle = (low * high) ** 0.5
        taken = [(bits(nearest(each, steps_of(each, middle))), each.size) for each in weights]
        enough = sum(part for part, _ in taken) <= wanted * sum(size for _, size in taken)
        low, high = (low, middle) if enough else (middle, high)
    return high
