"""Weights each of which is one of eight numbers: three bits, and a multiplier for every group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUP = 32
"""Neighbours on the side of the inputs that share a multiplier."""
CODE = (-21, -12, -6, 0, 4, 9, 15, 21)
"""What three bits stand for, in units of a twenty-first of the group's multiplier.

Closer near zero, where most weights are, and with zero itself among them.
"""
LARGEST = 63
"""The largest multiplier, and so the largest level: sums of products then fit on any processor."""


@dataclass(frozen=True, slots=True)
class ThreeBits:
    """The weights of a linear map, input × output.

    `digits` (0 to 7) choose from the code, `times` (group × output, -LARGEST to LARGEST) multiply
    it, and `steps` (output) are the size of one level.
    """

    digits: NDArray[np.uint8]
    times: NDArray[np.int8]
    steps: NDArray[np.float32]

    @property
    def levels(self) -> NDArray[np.int8]:
        """The whole numbers that they make up."""
        numbers = np.array(CODE, dtype=np.float32)[self.digits]
        factors = self.times.astype(np.float32) / np.float32(CODE[-1])
        return np.round(numbers * factors.repeat(GROUP, axis=0)).astype(np.int8)


def planes(digits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """All first bits, all second bits, all third bits, eight in a byte: [3, count / 8, 1].

    Raises ValueError where the count is not a multiple of eight.
    """
    if digits.size % 8:
        raise ValueError(f"digits come in eights; these are {digits.size}.")
    bits = (digits.reshape(-1) >> np.arange(3, dtype=np.uint8)[:, None]) & 1
    return np.packbits(bits, axis=1, bitorder="little")[..., None]
