"""Trains the moderation model: `python -m training.moderation --data DIR --out DIR`."""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training import fit as learning
from training.encode import encode, shipped_tokenizer
from training.encoder import Network, start_network
from training.fit import Encoded
from training.holdout import assert_none_held_out, drop_held_out, is_validation
from training.innocent import innocent, innocent_validation
from training.labels import BOOST, IMPORTANCE, MODERATION_HEADS
from training.mix import Shares, disturb, training_mix, validation_mix
from training.remember import remembered, together
from training.rows import Row, capped
from training.sources import moderation_rows
from training.start_onnx import constants_of, restore
from training.store import read_weights, write_run
from training.unsaid import assumed
from training.validation import DISTIL_SEED, read_rows


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoint and result")
    parser.add_argument("--limit", type=int, default=0, help="so many rows an epoch only")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--start", type=Path, help="run, checkpoint or model.onnx to go on from")
    parser.add_argument(
        "--frozen", type=int, default=-1, help="leave the word table and so many layers alone"
    )
    parser.add_argument("--rate", type=float, default=1.5e-4, help="highest learning rate")
    parser.add_argument("--real", type=float, default=1.0, help="share of the real rows an epoch")
    parser.add_argument("--made", type=float, default=0.6, help="share of the generated rows")
    parser.add_argument("--hard", type=Path, help="rows that mine wrote, for every epoch")
    parser.add_argument("--innocent", type=float, default=0.0, help="share of the innocent texts")
    parser.add_argument(
        "--remember", action="store_true", help="what --start thinks counts beside the labels"
    )
    parser.add_argument(
        "--more", nargs="*", type=_counted, default=[], help="source=rows, beside --limit"
    )
    parser.add_argument(
        "--unsaid", type=float, default=0.0, help="weight of rare heads that no set speaks of"
    )
    parser.add_argument("--minutes", type=float, default=0.0, help="time allowed; 0: no limit")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128, help="longest text in tokens")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true", help="where the processor is fast at it")
    parser.add_argument("--seed", type=int, default=17)
    return parser.parse_args()


def _counted(text: str) -> tuple[str, int]:
    source, _, rows = text.partition("=")
    return source, int(rows)


def epoch(rows: list[Row], asked: argparse.Namespace, number: int, old: Network) -> Encoded:
    """One epoch's texts, none of them held out."""
    shares, seed = Shares(asked.real, asked.made), asked.seed + number
    hard = read_rows(asked.hard) if asked.hard else []
    mix = training_mix(rows, asked.data, seed, shares, hard)[: asked.limit or None]
    more = extra(rows, dict(asked.more), seed)
    if asked.innocent:
        more += innocent(asked.data, words(), seed, asked.innocent)
    assert_none_held_out([*mix, *more])
    print(f"epoch {number + 1}: {len(mix)} rows and {len(more)} more", flush=True)
    first, second = (encoded(part, asked.tokens) for part in (mix, more))
    if asked.unsaid:
        first = assumed(first, mix, asked.unsaid)
    if asked.remember:
        first = remembered(first, old, bfloat16=asked.bfloat16)
    return together(first, second)


def extra(rows: list[Row], wanted: Mapping[str, int], seed: int) -> list[Row]:
    """So many rows more of some sources, disturbed as all are."""
    able = [row for row in rows if row.source in wanted and not is_validation(row.text)]
    dice = random.Random(seed)
    return drop_held_out([disturb(row, dice) for row in capped(able, wanted, seed + 1)])


def encoded(rows: list[Row], limit: int) -> Encoded:
    """Rows as the moderation model learns them."""
    return encode(rows, MODERATION_HEADS, limit, IMPORTANCE, BOOST)


def words() -> list[str]:
    """The tokenizer's vocabulary, always in the same order."""
    return sorted(shipped_tokenizer().get_vocab())


def start_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a run or checkpoint, or of a shipped model."""
    if path.suffix != ".onnx":
        return read_weights(path)
    return {
        name: torch.tensor(np.array(value)) for name, value in restore(constants_of(path)).items()
    }


def freeze(network: Network, layers: int) -> None:
    """Leave the embedding and the lowest layers as they are; a negative number frees all."""
    if layers >= 0:
        for part in (network.words, network.places, network.words_norm, *network.layers[:layers]):
            part.requires_grad_(False)


def main() -> None:
    """Load, train, and leave network and validation rows for the exporter."""
    asked = arguments()
    asked.out.mkdir(parents=True, exist_ok=True)
    rows = drop_held_out(moderation_rows(asked.data))
    validation = validation_mix(rows, DISTIL_SEED)
    if asked.innocent:
        validation += innocent_validation(asked.data, words(), DISTIL_SEED)
    print(f"{len(rows)} rows, {len(validation)} of them for validation")
    network = start_network(len(MODERATION_HEADS))
    if asked.start:
        network.load_state_dict(start_weights(asked.start))
    freeze(network, asked.frozen)
    plan = learning.Plan(
        epochs=asked.epochs,
        batch=asked.batch,
        rate=asked.rate,
        minutes=asked.minutes,
        seed=asked.seed,
        threads=asked.threads,
        bfloat16=asked.bfloat16,
    )
    torch.set_num_threads(asked.threads)
    data = [epoch(rows, asked, number, network.eval()) for number in range(asked.epochs)]
    learning.fit(network, data, learning.masked_binary, plan, asked.out / "checkpoint.pt")
    write_run(asked.out, network, validation)


if __name__ == "__main__":
    main()
