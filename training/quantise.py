"""Puts an encoder's linear maps into bytes, with ranges of what real texts send into them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from training.encoder import Network
from training.fit import pad, place_of
from training.small_maps import Floats, Kind, SmallMap, small_map


def small_maps(
    network: Network, tokens: Sequence[Sequence[int]], levels: int
) -> dict[str, SmallMap]:
    """Every linear map of the layers in bytes, with ranges of what these texts send into it."""
    seen: dict[str, list[Floats]] = {}
    maps = {n: m for n, m in network.layers.named_modules() if isinstance(m, nn.Linear)}
    hooks = [m.register_forward_pre_hook(partial(_record, seen, n)) for n, m in maps.items()]
    with torch.inference_mode():
        for text in tokens:
            network(*pad([text], place_of(network)))
    for hook in hooks:
        hook.remove()
    return {
        f"layers.{name}": small_map(
            np.concatenate(seen[name]), each.weight.detach().numpy().T, Kind(levels)
        )
        for name, each in maps.items()
    }


def _record(
    seen: dict[str, list[Floats]], name: str, _: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    seen.setdefault(name, []).append(inputs[0].detach().float().numpy()[0])
