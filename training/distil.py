"""Trains the moderation model with a teacher: `python -m training.distil --help`.

The small network learns from labels; a larger one, which chat-mini begins as, learns from the same
labels; then the small one goes on with targets between the labels and the larger one's opinion:
G. Hinton et al., "Distilling the Knowledge in a Neural Network" (2015). Meant for a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import nn

from training import fit as learning
from training.ahead import ahead
from training.calibrate import average_precision, best_macro_f1
from training.chat import SHAPE
from training.devices import add_options, place
from training.encode import encode, numbers_of, shipped_tokenizer
from training.encoder import Network
from training.fit import Encoded, Plan, masked_binary, predict
from training.holdout import assert_none_held_out, drop_held_out
from training.labels import BOOST, IMPORTANCE, MODERATION_HEADS
from training.mix import Shares, training_mix, validation_mix
from training.moderation import start_weights
from training.rows import Row
from training.sources import moderation_rows
from training.store import write_run
from training.teacher import Teacher, advised
from training.validation import DISTIL_SEED, read_rows

LIMIT = 128
"""Tokens of a text for the small network; the larger one reads a quarter more."""
Tokens = list[list[int]]


def main() -> None:
    """Read, teach the teacher, learn from it, and leave both runs for the exporter."""
    asked = _options()
    rows = drop_held_out(moderation_rows(asked.data))
    validation = validation_mix(rows, asked.seed)[: asked.limit or None]
    larger = Tokenizer.from_file(str(asked.tokenizer))
    hard = read_rows(asked.hard) if asked.hard else []

    def epoch(number: int) -> tuple[Encoded, Tokens]:
        shares = Shares(asked.real, asked.made)
        mix = training_mix(rows, asked.data, asked.seed + number, shares, hard)
        mix = mix[: asked.limit or None]
        assert_none_held_out(mix)
        mine = encode(mix, MODERATION_HEADS, LIMIT, IMPORTANCE, BOOST)
        return mine, numbers_of([row.text for row in mix], larger, LIMIT * 5 // 4)

    epochs = list(ahead(epoch, range(asked.epochs), asked.workers))
    network = Network(len(MODERATION_HEADS))
    network.load_state_dict(start_weights(asked.start))
    network.to(place())
    seen = numbers_of([row.text for row in validation], shipped_tokenizer(), LIMIT)
    _tell("before", network, seen, validation)

    _learn(network, [mine for mine, _ in epochs], asked, asked.plain, "plain")
    _tell("from labels", network, seen, validation)
    _write(asked.out / "plain", network, validation)

    teacher = _teacher(asked)
    theirs = [replace(mine, tokens=texts) for mine, texts in epochs]
    _learn(teacher, theirs, asked, asked.teacher, "teacher")
    others = numbers_of([row.text for row in validation], larger, LIMIT * 5 // 4)
    _tell("teacher", teacher, others, validation)

    told = [advised(mine, predict(teacher, texts, asked.bfloat16)) for mine, texts in epochs]
    _learn(network, told, asked, asked.taught, "taught")
    _tell("from both", network, seen, validation)
    _write(asked.out / "taught", network, validation)


def _teacher(asked: argparse.Namespace) -> Teacher:
    teacher = Teacher(SHAPE, len(MODERATION_HEADS))
    teacher.decoder.load_state_dict(torch.load(asked.teacher_start, weights_only=True))
    return teacher.to(place())


def _learn(
    network: nn.Module,
    data: Sequence[Encoded],
    asked: argparse.Namespace,
    minutes: float,
    name: str,
) -> None:
    larger = isinstance(network, Teacher)
    plan = Plan(
        epochs=asked.passes * len(data),
        batch=asked.batch // 2 if larger else asked.batch,
        minutes=minutes,
        rate=asked.teacher_rate if larger else asked.rate,
        seed=asked.seed,
        threads=asked.threads,
        bfloat16=asked.bfloat16,
    )
    asked.out.mkdir(parents=True, exist_ok=True)
    learning.fit(network, data, masked_binary, plan, asked.out / f"{name}.pt")


def _tell(
    name: str, network: nn.Module, tokens: Sequence[Sequence[int]], rows: Sequence[Row]
) -> None:
    logits = predict(network, tokens)
    found = []
    for column, head in enumerate(MODERATION_HEADS):
        known = [i for i, row in enumerate(rows) if head in row.targets]
        truth = np.array([rows[i].targets[head] for i in known])
        found.append(f"{head} {average_precision(truth, logits[known, column]):.3f}")
    print(f"{name}: average precision {', '.join(found)}", flush=True)
    print(f"{name}: tweets {_tweets(logits[:, MODERATION_HEADS.index('toxicity')], rows):.3f}")


def _tweets(logits: NDArray[np.float32], rows: Sequence[Row]) -> float:
    """The best mean F1 of offensive and other tweets at any threshold of `toxicity`."""
    known = [i for i, row in enumerate(rows) if row.source == "olid"]
    truth = np.array([rows[i].targets["toxicity"] >= 0.5 for i in known])
    return best_macro_f1(truth, logits[known].astype(np.float64))


def _write(folder: Path, network: Network, validation: Sequence[Row]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_run(folder, network.cpu(), validation)
    network.to(place())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--start", type=Path, required=True, help="run or model.onnx to begin as")
    parser.add_argument("--teacher-start", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--tokenizer", type=Path, required=True, help="what chat_start wrote")
    parser.add_argument("--epochs", type=int, default=6, help="mixes of texts")
    parser.add_argument("--passes", type=int, default=4, help="times that each is read at most")
    parser.add_argument("--plain", type=float, default=10.0, help="minutes with labels alone")
    parser.add_argument("--teacher", type=float, default=20.0, help="minutes of the teacher")
    parser.add_argument("--taught", type=float, default=10.0, help="minutes with both")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--teacher-rate", type=float, default=1e-4)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--real", type=float, default=1.0, help="share of the real rows a mix")
    parser.add_argument("--made", type=float, default=0.8, help="share of the generated rows")
    parser.add_argument("--hard", type=Path, help="rows that mine wrote, for every mix")
    parser.add_argument("--limit", type=int, default=0, help="so many rows a mix only")
    parser.add_argument("--seed", type=int, default=DISTIL_SEED)
    add_options(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
