"""Rounds a decoder's weights to few levels, as real dialogues use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor, nn

from training.coarse import Floats, Levels, fitted, nearest, share_for, steps_of
from training.decoder import Decoder
from training.decoder_fit import Batch
from training.decoder_graph import Array

Rounded = tuple[Levels, Floats]
"""The levels of a linear map, inputs × outputs, and the size of one for each output."""

BITS = 3.15
"""Bits a weight of the layers, packed."""
WORDS = 0.2
"""The size of one level of a word's row, as a share of its spread.

Both ends read this table, and no inputs tell what a row at the beginning is worth."""


def rounded(network: Decoder, batches: Iterable[Batch], wanted: float = BITS) -> dict[str, Rounded]:
    """Rounds the network's linear maps in place; gives what they are made of, by their names."""
    products = products_of(network, batches)
    maps = {name: each for name, each in network.named_modules() if name in products}
    weights = {name: each.weight.detach().numpy() for name, each in maps.items()}
    share = share_for(list(weights.values()), wanted)
    found = {}
    for name, weight in weights.items():
        steps = steps_of(weight, share)
        found[name] = _laid(maps[name], fitted(weight, steps, products[name]), steps)
    table = network.words.weight.detach().numpy()
    steps = steps_of(table, WORDS)
    return found | {"words": _laid(network.words, nearest(table, steps), steps)}


def _laid(part: nn.Module, levels: Levels, steps: Floats) -> Rounded:
    with torch.no_grad():
        part.weight.copy_(torch.from_numpy(levels * steps[:, None]))
    return np.ascontiguousarray(levels.T), steps


def products_of(network: Decoder, batches: Iterable[Batch]) -> dict[str, Array]:
    """The summed outer products of what flows into each linear map of the layers."""
    found: dict[str, Tensor] = {}
    hooks = []
    for name, each in network.named_modules():
        if isinstance(each, nn.Linear):
            found[name] = torch.zeros(each.in_features, each.in_features)
            hooks.append(each.register_forward_pre_hook(_watcher(found[name])))
    with torch.inference_mode():
        for tokens, _, dialogues in batches:
            network(tokens, dialogues)
    for hook in hooks:
        hook.remove()
    return {name: each.numpy() for name, each in found.items()}


def _watcher(summed: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def watch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows = inputs[0].flatten(0, -2)
        summed.addmm_(rows.T, rows)

    return watch
