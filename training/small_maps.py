"""Linear maps in bytes, with ranges chosen on what flows into them.

A few channels of an encoder are far larger than the rest and would stretch the range of bytes for
all. Where that matters, inputs are divided channel by channel and the weights multiplied by the
same: G. Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
Language Models" (2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SAMPLE = 60_000
LOOKED_AT = 1_500
"""Tokens on which the ways to squeeze an input are compared."""
CLIPS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
"""How much of the spread between channels moves from the inputs into the weights."""
UNIT = (1 / 127, 128)
"""Scale and zero of the bytes between minus one and one."""
GOOD_ENOUGH = 4e-4
"""Squared error, as a share of the outputs', up to which inputs are taken as they are."""
EVEN_ENOUGH = 5e-4
"""The same of each row, its mean, up to which rows whose weights are fixed share one range."""


@dataclass(frozen=True, slots=True)
class SmallMap:
    """A linear map in bytes.

    Inputs, divided by `squeeze` where there is one, become unsigned bytes with `scale` and `zero`;
    the weights are `levels` (input × output) times `steps` (output). Where it goes `by_row`, each
    row of inputs is divided by its largest value first, and the outputs multiplied by it.
    """

    scale: float
    zero: int
    levels: NDArray[np.int8]
    steps: Floats
    squeeze: Floats | None = None
    by_row: bool = False


def weights_by_column(weight: Floats, levels: int = 127) -> tuple[NDArray[np.int8], Floats]:
    """An input × output matrix as signed bytes with a scale for each output."""
    scale = np.maximum(np.abs(weight).max(axis=0) / levels, 1e-9).astype(np.float32)
    return np.clip(np.round(weight / scale), -levels, levels).astype(np.int8), scale


def table_by_row(table: Floats) -> tuple[NDArray[np.int8], Floats]:
    """An embedding table as signed bytes with a scale for each row."""
    scale = np.maximum(np.abs(table).max(axis=1, keepdims=True) / 127, 1e-9).astype(np.float32)
    return np.round(table / scale).astype(np.int8), scale


@dataclass(frozen=True, slots=True)
class Kind:
    """How a map is to be kept: a weight's largest level, and whether it goes by row."""

    levels: int
    by_row: bool = False


def small_map(inputs: Floats, weight: Floats, kind: Kind) -> SmallMap:
    """The map whose outputs on these inputs (tokens × channels) are nearest to the exact ones.

    By row, a few tokens whose values are a thousand times the others' cost these nothing.
    """
    few = inputs[:: max(1, len(inputs) // LOOKED_AT)]
    exact = few @ weight
    best = _plain(inputs, weight, kind)
    least = _error(best, few, exact)
    if least > GOOD_ENOUGH:
        for squeezed in _squeezed(inputs, weight, kind):
            if (error := _error(squeezed, few, exact)) < least:
                best, least = squeezed, error
    return best


def map_as_is(inputs: Floats, levels: NDArray[np.int8], steps: Floats) -> SmallMap:
    """The map with these weights as they are, by row where one range for all loses too much."""
    few = inputs[:: max(1, len(inputs) // LOOKED_AT)]
    exact = few @ (levels * steps)
    fixed = SmallMap(*best_range(inputs), levels, steps)
    if _row_error(fixed, few, exact) <= EVEN_ENOUGH:
        return fixed
    return SmallMap(*UNIT, levels, steps, by_row=True)


def _squeezed(inputs: Floats, weight: Floats, kind: Kind) -> Iterator[SmallMap]:
    tall = np.maximum(np.abs(inputs).max(axis=0), 1e-4)
    wide = np.maximum(np.abs(weight).max(axis=1), 1e-4)
    for strength in STRENGTHS:
        ratio = np.log(tall) * strength - np.log(wide) * (1.0 - strength)
        squeeze = np.exp(ratio - ratio.mean()).astype(np.float32)
        plain = _plain(inputs / squeeze, weight * squeeze[:, None], kind)
        yield replace(plain, squeeze=squeeze)


def _plain(inputs: Floats, weight: Floats, kind: Kind) -> SmallMap:
    scale, zero = UNIT if kind.by_row else best_range(inputs)
    levels, steps = weights_by_column(weight, kind.levels)
    return SmallMap(scale, zero, levels, steps, by_row=kind.by_row)


def _error(small: SmallMap, inputs: Floats, exact: Floats) -> float:
    if small.by_row:  # Else the rows with the largest values would decide for all.
        return _row_error(small, inputs, exact)
    off, size = _squares(small, inputs, exact)
    return float(off.mean() / max(size.mean(), 1e-12))


def _row_error(small: SmallMap, inputs: Floats, exact: Floats) -> float:
    off, size = _squares(small, inputs, exact)
    return float((off / np.maximum(size, 1e-12)).mean())


def _squares(small: SmallMap, inputs: Floats, exact: Floats) -> tuple[Floats, Floats]:
    """Of each row, the mean square of what the map misses, and of what it should give."""
    values = inputs if small.squeeze is None else inputs / small.squeeze
    peak = np.abs(values).max(axis=1, keepdims=True) + 1e-9 if small.by_row else 1.0
    steps = np.clip(np.round(values / peak / small.scale) + small.zero, 0, 255) - small.zero
    found = (steps * small.scale * peak) @ (small.levels * small.steps)
    return np.square(found - exact).mean(axis=1), np.square(exact).mean(axis=1)


def best_range(inputs: Floats) -> tuple[float, int]:
    """The scale and the zero point of the bytes that lose least of these inputs."""
    values = _thinned(inputs.ravel())
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    found = [_steps(low * a, high * b) for a in CLIPS for b in CLIPS]
    return min(found, key=lambda steps: _loss(values, *steps))


def _steps(low: float, high: float) -> tuple[float, int]:
    scale = max((high - low) / 255.0, 1e-9)
    return scale, int(np.clip(round(-low / scale), 0, 255))


def _loss(values: Floats, scale: float, zero: int) -> float:
    steps = np.clip(np.round(values / scale) + zero, 0, 255) - zero
    return float(np.mean((values - steps * scale) ** 2))


def _thinned(values: Floats) -> Floats:
    """A sample that keeps the extremes."""
    if len(values) <= SAMPLE:
        return values
    chosen = np.random.default_rng(17).choice(values, SAMPLE, replace=False)
    return np.concatenate([chosen, np.array([values.min(), values.max()], dtype=np.float32)])
