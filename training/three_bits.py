"""Weights in three bits, as an export takes them from a finished run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference import three_bits_numpy


@dataclass(frozen=True, slots=True)
class ThreeBits:
    """The weights of a linear map, input × output.

    `digits` (0 to 7) choose from the code, `times` (group × output) multiply it, and `steps`
    (output) are the size of one level.
    """

    digits: NDArray[np.uint8]
    times: NDArray[np.int8]
    steps: NDArray[np.float32]

    @property
    def levels(self) -> NDArray[np.int8]:
        """The whole numbers that they make up."""
        return three_bits_numpy.levels(self.digits, self.times)
