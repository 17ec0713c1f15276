"""Rounds a finished chat run's weights, and goes on learning while they are rounded."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from inference import weights_numpy
from inference.weights_numpy import Bytes
from training.chat import (
    LENGTH,
    ROWS,
    SHAPE,
    add_learning,
    endless,
    freeze,
    plan_of,
    split,
    tell,
)
from training.chat_sources import load
from training.coarse import Floats, Levels, bits
from training.decoder import Decoder, weights_of
from training.decoder_fit import Batch, Ways, fit, loss_of
from training.decoder_rounding import BITS, Rounded, rounded
from training.devices import place
from training.straight_through import Coarser, fixed, loosen, rate_of

READ = 24_576
"""Tokens of dialogues on which weights are rounded."""
HEARD = 4_096
"""Tokens on which a loss is told."""
ROUNDED = "rounded.npz"


def main() -> None:
    """Round, learn, save."""
    asked = _options()
    torch.set_num_threads(asked.threads)
    network = Decoder(SHAPE)
    network.load_state_dict(torch.load(asked.run / "network.pt", weights_only=True))
    network.to(place())
    guide = deepcopy(network).requires_grad_(False) if asked.hints else None
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    public = split(load(asked.dialogues))[0]
    heard = list(islice(endless(tokenizer, public, asked.seed + 99), HEARD // (ROWS * LENGTH)))
    print(f"exact: {loss(network, heard):.4f}", flush=True)
    read = islice(endless(tokenizer, public, 1), READ // (ROWS * LENGTH))
    found = rounded(network, read, workers=asked.workers)
    print(f"rounded: {loss(network, heard):.4f}; {size(found)}", flush=True)
    if asked.minutes or asked.batches:
        batches = endless(tokenizer, public, asked.seed, asked.rows, asked.workers)
        found = learnt(network, found, batches, asked, guide)
        print(f"after learning: {loss(network, heard):.4f}; {size(found)}", flush=True)
    save(asked.run / ROUNDED, network, found)
    tell(network, tokenizer, asked)


def learnt(
    network: Decoder,
    found: Mapping[str, Rounded],
    batches: Iterator[Batch],
    asked: argparse.Namespace,
    guide: Decoder | None,
) -> Mapping[str, Rounded]:
    """The maps after so many batches; words and lowest layers stay as they are."""
    network.words.requires_grad_(False)
    freeze(network, asked.frozen)
    loosen(network, found)
    ways = Ways(rate_of, guide, Coarser(network, BITS))
    fit(network, batches, plan_of(asked, warm_up=0.03), asked.run / "rounding.pt", ways)
    return fixed(network, found)


def loss(network: Decoder, batches: list[Batch]) -> float:
    """The mean weighted loss of a token."""
    with torch.inference_mode():
        parts = [loss_of(network, each, torch.float32) for each in batches]
    return float(sum(part for part, _ in parts)) / float(sum(weight for _, weight in parts))


def size(found: Mapping[str, Rounded]) -> str:
    """How many bits the maps take."""
    layers = [each.levels for name, each in found.items() if name != "words"]
    each = sum(map(bits, layers)) / sum(part.size for part in layers)
    whole = sum(bits(part.levels) for part in found.values()) / 8e6
    return f"{each:.3f} bits a weight of the layers, {whole:.1f} MB in all"


def save(path: Path, network: Decoder, found: Mapping[str, Rounded]) -> None:
    """Write the maps, and the bytes of every other number of the network."""
    others = weights_of(network)
    for name in found:
        del others[f"{name}.weight"]
    parts = {f"levels {name}": each.levels for name, each in found.items()}
    floats = {f"steps {name}": each.steps for name, each in found.items()}
    floats |= {f"weight {name}": value for name, value in others.items()}
    as_bytes = {name: value.reshape(1, -1).view(np.int8) for name, value in floats.items()}
    weights_numpy.save(path, parts | as_bytes)


def read_rounded(path: Path) -> tuple[Decoder, dict[str, tuple[Levels, Floats]]]:
    """The network that `save` wrote, and the levels and sizes of levels of its maps."""
    parts = weights_numpy.read(path)
    kinds: dict[str, dict[str, Bytes]] = {"levels": {}, "steps": {}, "weight": {}}
    for name, value in parts.items():
        kind, _, own = name.partition(" ")
        kinds[kind][own] = value
    maps = {
        name: (levels, kinds["steps"][name].view(np.float32)[0])
        for name, levels in kinds["levels"].items()
    }
    network = Decoder(SHAPE)
    with torch.no_grad():
        for name, value in kinds["weight"].items():
            own = network.get_parameter(name)
            own.copy_(torch.tensor(value.view(np.float32)).view_as(own))
        for name, (levels, steps) in maps.items():
            network.get_submodule(name).weight.copy_(torch.from_numpy(levels * steps[:, None]))
    return network, maps


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the finished run")
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--tokenizer", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--hints", action="store_true", help="learn from the exact weights, too")
    parser.add_argument("--seed", type=int, default=23)
    add_learning(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
