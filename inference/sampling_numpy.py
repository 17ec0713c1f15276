"""Chooses the next token from a row of logits."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import ModelUnavailable
from inference.generator import Sampling

Logits = NDArray[np.float32]
GREEDY_BELOW = 1e-4
"""Below this temperature the likeliest token is as good as certain, and weights would overflow."""


class Chooser:
    """One answer's choices: its own random numbers, so that its neighbours change nothing."""

    def __init__(self, sampling: Sampling) -> None:
        self._temperature = sampling.temperature
        self._top_p = sampling.top_p
        self._dice = np.random.default_rng(sampling.seed)

    def __call__(self, row: Any) -> int:
        """The next token; raises ModelUnavailable where the row holds no numbers."""
        logits: Logits = row
        best = int(logits.argmax())
        if not np.isfinite(logits[best]):
            raise ModelUnavailable("The model answered with what is not a number.")
        if self._temperature < GREEDY_BELOW:
            return best
        weights = np.exp((logits - logits[best]) / np.float32(self._temperature))
        if self._top_p < 1.0:
            weights = nucleus(weights, self._top_p)
        sums = np.cumsum(weights, dtype=np.float64)
        drawn = int(np.searchsorted(sums, self._dice.random() * sums[-1], side="right"))
        return min(drawn, len(sums) - 1)


def nucleus(weights: Logits, share: float) -> Logits:
    """The weights, all zero but the fewest largest that together have this share.

    Holtzman et al., The Curious Case of Neural Text Degeneration (2020).
    """
    ordered = np.sort(weights)[::-1]
    sums = np.cumsum(ordered, dtype=np.float64)
    last = ordered[min(int(np.searchsorted(sums, share * sums[-1])), len(ordered) - 1)]
    return np.where(weights >= last, weights, np.float32(0.0))
