"""Teaches weights while they are rounded to what three bits can say.

What is worked out for the rounded ones moves the exact ones behind them (the straight-through
estimator of Y. Bengio et al., 2013), and the rounding follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from inference.three_bits_numpy import CODE, GROUP, LARGEST

NEIGHBOURS = tuple(pairwise(CODE))
FACTORS = (1.0, 0.92, 0.85, 0.78, 0.7)
"""Shares of a group's largest weight that are tried as its multiplier, upright and turned."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the weights [outputs, inputs] of a linear map may lie.

    `steps` [outputs, 1] is the size of one level; `times` [outputs, groups] are the groups'
    multipliers, whole numbers from -LARGEST to LARGEST without zero, which turn the code round.
    """

    steps: Tensor
    times: Tensor

    def digits(self, weight: Tensor) -> Tensor:
        """Which of the eight numbers is nearest, [outputs, inputs]."""
        found: Tensor = _digits(weight, self.steps, self.times).view_as(weight)
        return found

    def rounded(self, weight: Tensor) -> Tensor:
        """The weights that lie nearest, of the same shape."""
        found: Tensor = _rounded(weight, self.steps, self.times)
        return found


def grid_of(weight: Tensor) -> Grid:
    """The grid that moves these weights least. Inputs must be a multiple of `GROUP`."""
    steps = (weight.abs().amax(dim=1, keepdim=True) / LARGEST).clamp_min(1e-9)
    peak = weight.view(len(weight), -1, GROUP).abs().amax(dim=2) / steps
    best, least = torch.ones_like(peak), torch.full_like(peak, torch.inf)
    for factor in (*FACTORS, *(-each for each in FACTORS)):
        times = (peak * abs(factor)).round().clamp(1, LARGEST).copysign(torch.tensor(factor))
        moved = Grid(steps, times).rounded(weight) - weight
        error = moved.view(len(weight), -1, GROUP).square().sum(dim=2)
        best, least = torch.where(error < least, times, best), torch.minimum(error, least)
    return Grid(steps, best)


@contextmanager
def laid(weights: dict[str, torch.nn.Parameter], grids: dict[str, Grid]) -> Iterator[None]:
    """Inside, these weights are rounded; afterwards they are exact again."""
    exact = {name: weights[name].data for name in grids}
    for name, grid in grids.items():
        weights[name].data = grid.rounded(exact[name])
    try:
        yield
    finally:
        for name in grids:
            weights[name].data = exact[name]


@torch.compile(dynamic=False)
def _digits(weight: Tensor, steps: Tensor, times: Tensor) -> Tensor:
    groups = weight.view(len(weight), -1, GROUP)
    ratio = groups * (CODE[-1] / (times * steps))[..., None]
    found = torch.zeros_like(ratio, dtype=torch.uint8)
    for one, two in NEIGHBOURS:
        found += ratio > (one + two) / 2
    return found


@torch.compile(dynamic=False)
def _rounded(weight: Tensor, steps: Tensor, times: Tensor) -> Tensor:
    groups = weight.view(len(weight), -1, GROUP)
    ratio = groups * (CODE[-1] / (times * steps))[..., None]
    numbers = torch.full_like(ratio, CODE[0])
    for one, two in NEIGHBOURS:
        numbers += (ratio > (one + two) / 2) * float(two - one)
    levels = (numbers * (times / CODE[-1])[..., None]).round()
    return (levels * steps[..., None]).view_as(weight)
