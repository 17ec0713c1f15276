"""Lets a network learn while its weights are rounded.

Levels learn as real numbers, are rounded wherever they are used, and get the gradient of what was
used: Y. Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons" (2013).
The size of a level learns as well: S. K. Esser et al., "Learned Step Size Quantization" (2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from training.coarse import LARGEST
from training.decoder_rounding import Rounded

WEIGHT = "weight"
LOOKED_AT = 10
"""Batches between two looks at how many bits the levels take."""
HELD = 0.9
"""How near to the next level a weight may begin, as a share of the way."""


class Product(torch.autograd.Function):
    """Rounded levels [outputs, inputs] times the size of one [outputs]."""

    @staticmethod
    def forward(context: Any, levels: Tensor, steps: Tensor) -> Tensor:  # type: ignore[override]
        """The weights as they are used."""
        context.save_for_backward(levels, steps)
        return whole(levels).mul_(steps[:, None])

    @staticmethod
    def backward(context: Any, *slopes: Tensor) -> tuple[Tensor, Tensor]:
        """Of the levels as if they were not rounded, and of the sizes."""
        levels, steps = context.saved_tensors
        return slopes[0] * steps[:, None], (slopes[0] * whole(levels)).sum(dim=1)


def whole(levels: Tensor) -> Tensor:
    """The nearest levels that there are."""
    return levels.round().clamp_(-LARGEST, LARGEST)


class Steps(nn.Module):
    """The size of one level for each output; `factor` is what it learns of it."""

    def __init__(self, steps: Tensor) -> None:
        super().__init__()
        self.register_buffer("begun", steps)
        self.factor = nn.Parameter(torch.ones_like(steps))

    @property
    def size(self) -> Tensor:
        """The sizes as they are now."""
        found: Tensor = self.begun * self.factor
        return found

    def forward(self, levels: Tensor) -> Tensor:
        """The weights of these levels."""
        found: Tensor = Product.apply(levels, self.size)  # type: ignore[no-untyped-call]
        return found

    def right_inverse(self, weight: Tensor) -> Tensor:
        """The levels, not rounded, of these weights."""
        return weight / self.size.detach()[:, None]


def loosen(network: nn.Module, found: Mapping[str, Rounded]) -> None:
    """Lets those of these maps learn while rounded whose weights learn."""
    for name, each in found.items():
        part = network.get_submodule(name)
        if not part.weight.requires_grad:
            continue
        place = part.weight.device
        levels = torch.from_numpy(each.levels.astype(np.float32)).to(place)
        steps = torch.from_numpy(each.steps).to(place)
        off = torch.from_numpy(each.aimed).to(place) / steps[:, None] - levels
        with torch.no_grad():
            part.weight.copy_((levels + HELD * off.clamp(-0.5, 0.5)) * steps[:, None])
        parametrize.register_parametrization(part, WEIGHT, Steps(steps))


def rate_of(name: str) -> float:
    """How fast a parameter of this name learns, as a factor of the rate for a whole weight."""
    if name.endswith(".original"):
        return 20.0  # A level is a twelfth, and one has to be crossed before anything changes.
    return 4.0 if name.endswith(".factor") else 1.0


class Coarser:
    """Keeps a network's levels within so many bits a weight while they learn.

    Where they take more, all sizes of levels grow a little, and levels shrink as much: as many
    times as wide, a level takes that many doublings less.
    """

    def __init__(self, network: nn.Module, wanted: float) -> None:
        each = [part for part in network.modules() if parametrize.is_parametrized(part, WEIGHT)]
        self._parts = [part.parametrizations[WEIGHT] for part in each]
        self._wanted = wanted

    def __call__(self, step: int) -> None:
        """Looks after every tenth batch."""
        if step % LOOKED_AT == 0 and (more := self.bits() - self._wanted) > 0.0:
            with torch.no_grad():
                for part in self._parts:
                    part.original.div_(2.0**more)
                    part[0].begun.mul_(2.0**more)

    def bits(self) -> float:
        """What an ideal packer needs for a weight, each map with a code of its own."""
        taken = size = 0.0
        for part in self._parts:
            levels = whole(part.original.detach()).flatten().to(torch.int64)
            counts = torch.bincount(levels + LARGEST).double()
            counts = counts[counts > 0]
            taken -= float((counts * (counts / counts.sum()).log2()).sum())
            size += float(counts.sum())
        return taken / size


def fixed(network: nn.Module, found: Mapping[str, Rounded]) -> dict[str, Rounded]:
    """The maps after learning, with the network's weights rounded for good."""
    learnt = dict(found)
    for name in found:
        part = network.get_submodule(name)
        if not parametrize.is_parametrized(part, WEIGHT):
            continue
        own = part.parametrizations[WEIGHT]
        levels, steps = own.original.detach().clone(), own[0].size.detach().clone()
        parametrize.remove_parametrizations(part, WEIGHT)
        aimed = (levels * steps[:, None]).cpu().numpy()
        near = whole(levels).cpu().numpy().astype(np.int8)
        learnt[name] = Rounded(near, steps.cpu().numpy(), aimed)
    return learnt
