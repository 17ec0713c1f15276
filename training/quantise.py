"""Eight-bit numbers for weights and activations, with ranges chosen on real texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.encoder import Network
from training.fit import pad

SAMPLE = 60_000
APART = 16
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)


@dataclass(frozen=True, slots=True)
class Range:
    """Scale and zero point of one activation as unsigned bytes, and the channels kept apart."""

    scale: float
    zero: int
    apart: NDArray[np.int64]


def weights_by_column(
    weight: NDArray[np.float32], levels: int = 127
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """An input × output matrix as signed bytes with a scale for each output."""
    scale = np.maximum(np.abs(weight).max(axis=0) / levels, 1e-9).astype(np.float32)
    return np.clip(np.round(weight / scale), -levels, levels).astype(np.int8), scale


def table_by_row(table: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """An embedding table as signed bytes with a scale for each row."""
    scale = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-9).astype(np.float32)
    return np.round(table / scale).astype(np.int8), scale


def best_range(inputs: NDArray[np.float32]) -> Range:
    """The range of bytes that loses least of these inputs (tokens × channels).

    A few channels of an encoder are far larger than the rest and would stretch the range for
    all; they are kept apart, in single precision.
    """
    apart = np.sort(np.argsort(-np.abs(inputs).max(axis=0))[:APART]).astype(np.int64)
    values = _thinned(np.delete(inputs, apart, axis=1).ravel())
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    found = [_steps(low * a, high * b) for a in CLIPS for b in CLIPS]
    scale, zero = min(found, key=lambda steps: _loss(values, *steps))
    return Range(scale, zero, apart)


def _steps(low: float, high: float) -> tuple[float, int]:
    scale = max((high - low) / 255.0, 1e-9)
    return scale, int(np.clip(round(-low / scale), 0, 255))


def _loss(values: NDArray[np.float32], scale: float, zero: int) -> float:
    steps = np.clip(np.round(values / scale) + zero, 0, 255) - zero
    return float(np.mean((values - steps * scale) ** 2))


def observe(network: Network, tokens: Sequence[Sequence[int]]) -> dict[str, Range]:
    """The range of what flows into each linear map of the layers on these texts."""
    seen: dict[str, list[NDArray[np.float32]]] = {}
    maps = {n: m for n, m in network.layers.named_modules() if isinstance(m, nn.Linear)}
    hooks = [m.register_forward_pre_hook(partial(_record, seen, n)) for n, m in maps.items()]
    with torch.inference_mode():
        for text in tokens:
            network(*pad([text]))
    for hook in hooks:
        hook.remove()
    return {name: best_range(np.concatenate(parts)) for name, parts in seen.items()}


def _record(
    seen: dict[str, list[NDArray[np.float32]]], name: str, _: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    seen.setdefault(name, []).append(inputs[0].detach().float().numpy()[0])


def _thinned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A sample that keeps the extremes."""
    if len(values) <= SAMPLE:
        return values
    chosen = np.random.default_rng(17).choice(values, SAMPLE, replace=False)
    return np.concatenate([chosen, np.array([values.min(), values.max()], dtype=np.float32)])
