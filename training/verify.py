"""Checks an ONNX model before it ships: same as the network, and the same in any company."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

Tokens = Sequence[Sequence[int]]
TOLERANCE = 1e-3
"""How much company, order and padding may change a score."""
MEAN_TOLERANCE, NEARLY_ALL_TOLERANCE, SAME_SIDE = 0.01, 0.05, 0.98
"""How far bytes may be from single precision: on average, in 99 of 100 scores, and in decisions."""


def open_model(model: onnx.ModelProto) -> ort.InferenceSession:
    """A runtime on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def run(runtime: ort.InferenceSession, tokens: Tokens, extra: int = 0) -> NDArray[np.float32]:
    """Probabilities of one batch, padded to its longest text and `extra` tokens more."""
    width = max(map(len, tokens)) + extra
    numbers = np.zeros((len(tokens), width), dtype=np.int64)
    mask = np.zeros_like(numbers)
    for row, text in enumerate(tokens):
        numbers[row, : len(text)] = text
        mask[row, : len(text)] = 1
    answer = runtime.run(None, {"input_ids": numbers, "attention_mask": mask})[0]
    return np.asarray(answer, dtype=np.float32)


def alone(runtime: ort.InferenceSession, tokens: Tokens) -> NDArray[np.float32]:
    """Probabilities of every text judged by itself."""
    return np.concatenate([run(runtime, [text]) for text in tokens])


def neighbour_effect(
    runtime: ort.InferenceSession, tokens: Tokens, rounds: int, seed: int
) -> float:
    """The largest change of a score by company, order or padding over random batches."""
    dice = random.Random(seed)
    expected = alone(runtime, tokens)
    worst = 0.0
    for _ in range(rounds):
        chosen = dice.sample(range(len(tokens)), dice.randint(2, min(32, len(tokens))))
        got = run(runtime, [tokens[i] for i in chosen], extra=dice.choice((0, 0, 1, 7, 40)))
        worst = max(worst, float(np.abs(got - expected[chosen]).max()))
    return worst


def assert_independent(runtime: ort.InferenceSession, tokens: Tokens) -> float:
    """Refuse a model whose scores depend on their neighbours."""
    effect = neighbour_effect(runtime, tokens, rounds=40, seed=17)
    if effect > TOLERANCE:
        raise AssertionError(f"a neighbour changes a score by {effect:.4f}")
    return effect


@dataclass(frozen=True, slots=True)
class Distance:
    """How far scores of bytes are from those of single precision, each label by itself.

    `same_side` holds the share of texts, by label, for which 0.5 decides alike.
    """

    mean: float
    nearly_all: float
    largest: float
    same_side: tuple[float, ...]

    def __str__(self) -> str:
        sides = ", ".join(f"{share:.1%}" for share in self.same_side)
        return (
            f"bytes against single precision: mean {self.mean:.4f}, 99 % {self.nearly_all:.4f},"
            f" largest {self.largest:.4f}; same side of 0.5 by label: {sides}"
        )


def distance(before: NDArray[np.float32], after: NDArray[np.float32]) -> Distance:
    """How far the second scores are from the first."""
    gap = np.abs(before - after)
    same = ((before >= 0.5) == (after >= 0.5)).mean(axis=0)
    return Distance(
        mean=float(gap.mean()),
        nearly_all=float(np.quantile(gap, 0.99)),
        largest=float(gap.max()),
        same_side=tuple(float(share) for share in same),
    )


def assert_close(before: NDArray[np.float32], after: NDArray[np.float32]) -> Distance:
    """Refuse bytes that judge otherwise than the network did."""
    found = distance(before, after)
    if (
        not found.mean <= MEAN_TOLERANCE
        or not found.nearly_all <= NEARLY_ALL_TOLERANCE
        or not min(found.same_side) >= SAME_SIDE
    ):
        raise AssertionError(f"too far off: {found}")
    return found


def milliseconds(runtime: ort.InferenceSession, length: int, times: int = 100) -> float:
    """The median time of one text of `length` tokens."""
    text = [list(range(1000, 1000 + length))]
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run(runtime, text)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken)) * 1e3
