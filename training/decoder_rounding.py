"""Rounds a decoder's weights to few levels, as real dialogues use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from training.ahead import ahead
from training.coarse import Floats, Levels, fitted, nearest, share_for, steps_of
from training.decoder import Decoder
from training.decoder_fit import Batch
from training.decoder_graph import Array

BITS = 3.12
"""Bits a weight of the layers, packed."""
WORDS = 0.2
"""The size of one level of a word's row, as a share of its spread.

Both ends read this table, and no inputs tell what a row at the beginning is worth."""


@dataclass(frozen=True, slots=True)
class Rounded:
    """A linear map, outputs × inputs: its levels, the size of one for each output [outputs].

    `aimed` are the weights that were rounded, the errors of others among them.
    """

    levels: Levels
    steps: Floats
    aimed: Floats

    @property
    def weight(self) -> Tensor:
        """The rounded weights."""
        return torch.from_numpy(self.levels * self.steps[:, None])


def rounded(
    network: Decoder, batches: Iterable[Batch], wanted: float = BITS, workers: int = 0
) -> Mapping[str, Rounded]:
    """Rounds the network's linear maps and words in place; gives them by their names."""
    products = products_of(network, batches)
    weights = {name: _array(network.get_submodule(name).weight) for name in products}
    share = share_for(list(weights.values()), wanted)
    names = list(weights)

    def fit(number: int) -> Rounded:
        weight, own = weights[names[number]], products[names[number]]
        steps = steps_of(weight, share)
        levels, aimed = fitted(weight, steps, own)
        return Rounded(levels, steps, aimed)

    found = dict(zip(names, ahead(fit, range(len(names)), workers), strict=True))
    table = _array(network.words.weight)
    steps = steps_of(table, WORDS)
    found["words"] = Rounded(nearest(table, steps), steps, table)
    with torch.no_grad():
        for name, each in found.items():
            network.get_submodule(name).weight.copy_(each.weight)
    return found


def products_of(network: Decoder, batches: Iterable[Batch]) -> dict[str, Array]:
    """The summed outer products of what flows into each linear map of the layers."""
    found: dict[str, Tensor] = {}
    hooks = []
    for name, each in network.named_modules():
        if isinstance(each, nn.Linear):
            found[name] = each.weight.new_zeros(each.in_features, each.in_features)
            hooks.append(each.register_forward_pre_hook(_watcher(found[name])))
    with torch.inference_mode():
        for tokens, _, dialogues in batches:
            place = network.words.weight.device
            network(tokens.to(place), dialogues.to(place))
    for hook in hooks:
        hook.remove()
    return {name: _array(each) for name, each in found.items()}


def _array(values: Tensor) -> Array:
    found: Array = values.detach().cpu().numpy().copy()
    return found


def _watcher(summed: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def watch(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rows = inputs[0].flatten(0, -2)
        summed.addmm_(rows.T, rows)

    return watch
