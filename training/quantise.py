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
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)


@dataclass(frozen=True, slots=True)
class Range:
    """Scale and zero point of one activation as unsigned bytes."""

    scale: float
    zero: int


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


def best_range(values: NDArray[np.float32]) -> Range:
    """The range of bytes that loses least of these values."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    found = [_range(low * a, high * b) for a in CLIPS for b in CLIPS]
    return min(found, key=lambda candidate: _loss(values, candidate))


def _range(low: float, high: float) -> Range:
    scale = max((high - low) / 255.0, 1e-9)
    return Range(scale, int(np.clip(round(-low / scale), 0, 255)))


def _loss(values: NDArray[np.float32], candidate: Range) -> float:
    steps = np.clip(np.round(values / candidate.scale) + candidate.zero, 0, 255) - candidate.zero
    return float(np.mean((values - steps * candidate.scale) ** 2))


def observe(network: Network, tokens: Sequence[Sequence[int]]) -> dict[str, Range]:
    """The range of what flows into each linear map of the layers on these texts."""
    seen: dict[str, list[NDArray[np.float32]]] = {}
    hooks = [
        module.register_forward_pre_hook(partial(_record, seen, name))
        for name, module in network.layers.named_modules()
        if isinstance(module, nn.Linear)
    ]
    with torch.inference_mode():
        for text in tokens:
            network(*pad([text]))
    for hook in hooks:
        hook.remove()
    return {name: best_range(_thinned(np.concatenate(parts))) for name, parts in seen.items()}


def _record(
    seen: dict[str, list[NDArray[np.float32]]], name: str, _: nn.Module, inputs: tuple[Tensor, ...]
) -> None:
    seen.setdefault(name, []).append(inputs[0].detach().float().numpy().ravel())


def _thinned(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A sample that keeps the extremes."""
    if len(values) <= SAMPLE:
        return values
    chosen = np.random.default_rng(17).choice(values, SAMPLE, replace=False)
    return np.concatenate([chosen, np.array([values.min(), values.max()], dtype=np.float32)])
