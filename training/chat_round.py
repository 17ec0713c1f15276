"""Rounds a finished chat run's weights, and goes on learning while they are rounded."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer

from training.chat import KEPT, SHAPE, endless, split
from training.chat_sources import load
from training.coarse import bits
from training.decoder import Decoder
from training.decoder_fit import Batch, Plan, fit, loss_of
from training.decoder_rounding import Rounded, rounded
from training.straight_through import fixed, loosen, rate_of

READ = 24
"""Batches of dialogues on which weights are rounded."""
HEARD = 4
"""Batches on which a loss is told."""
ROUNDED = "rounded.pt"


def main() -> None:
    """Round, learn, save."""
    asked = _options()
    torch.set_num_threads(asked.threads)
    network = Decoder(SHAPE)
    network.load_state_dict(torch.load(asked.run / "network.pt", weights_only=True))
    tokenizer = Tokenizer.from_file(str(asked.tokenizer))
    public = split(load(asked.dialogues))[0]
    heard = list(islice(endless(tokenizer, public, asked.seed + 99), HEARD))
    print(f"exact: {loss(network, heard):.4f}", flush=True)
    found = rounded(network, islice(endless(tokenizer, public, 1), READ))
    print(f"rounded: {loss(network, heard):.4f}; {told(found)}", flush=True)
    if asked.minutes:
        batches = endless(tokenizer, public, asked.seed)
        found = learnt(network, found, batches, asked)
        print(f"after learning: {loss(network, heard):.4f}; {told(found)}", flush=True)
    maps = {name: _kept(each) for name, each in found.items()}
    torch.save({"network": network.state_dict(), "maps": maps}, asked.run / ROUNDED)


def learnt(
    network: Decoder,
    found: dict[str, Rounded],
    batches: Iterator[Batch],
    asked: argparse.Namespace,
) -> dict[str, Rounded]:
    """The maps after so many minutes; words and lowest layers stay as they are."""
    for part in (network.words, *network.layers[:KEPT]):
        part.requires_grad_(False)
    loosen(network, found)
    plan = Plan(asked.minutes, asked.threads, asked.seed, asked.rate, warm_up=0.03)
    fit(network, batches, plan, asked.run / "rounding.pt", rate_of)
    return fixed(network, found)


def loss(network: Decoder, batches: list[Batch]) -> float:
    """The mean weighted loss of a token."""
    with torch.inference_mode():
        parts = [loss_of(network, each, torch.float32) for each in batches]
    return float(sum(part for part, _ in parts)) / float(sum(weight for _, weight in parts))


def told(found: dict[str, Rounded]) -> str:
    """How many bits the maps take."""
    layers = [each.levels for name, each in found.items() if name != "words"]
    each = sum(map(bits, layers)) / sum(part.size for part in layers)
    whole = sum(bits(part.levels) for part in found.values()) / 8e6
    return f"{each:.3f} bits a weight of the layers, {whole:.1f} MB in all"


def _kept(each: Rounded) -> dict[str, torch.Tensor]:
    parts = asdict(each)
    return {name: torch.from_numpy(parts[name]) for name in ("levels", "steps")}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="folder of the finished run")
    parser.add_argument("--dialogues", type=Path, required=True, help="what chat_screen wrote")
    parser.add_argument("--tokenizer", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--minutes", type=float, default=40.0, help="0: only round")
    parser.add_argument("--rate", type=float, default=1.5e-4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=23)
    return parser.parse_args()


if __name__ == "__main__":
    main()
