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
        kept = nucleus(weights, self._top_p) if self._top_p < 1.0 else None
        sums = np.cumsum(weights if kept is None else weights[kept], dtype=np.float64)
        drawn = int(np.searchsorted(sums, self._dice.random() * sums[-1], side="right"))
        drawn = min(drawn, len(sums) - 1)
        return drawn if kept is None else int(kept[drawn])


def nucleus(weights: Logits, share: float) -> NDArray[np.intp]:
    """The fewest largest weights that together have this share: their places, in order.

    Holtzman et al., The Curious Case of Neural Text Degeneration (2020). Only few are sorted: all
    that are so small that together they are less than what may be left out are left out first.
    """
    total = float(weights.sum(dtype=np.float64))
    large = np.flatnonzero(weights >= (1.0 - share) * total / len(weights))
    ordered = np.sort(weights[large])[::-1]
    sums = np.cumsum(ordered, dtype=np.float64)
    last = ordered[min(int(np.searchsorted(sums, share * total)), len(ordered) - 1)]
    kept: NDArray[np.intp] = large[weights[large] >= last]
    return kept
