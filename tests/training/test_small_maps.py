"""Linear maps in bytes stay near the exact ones, also where a few channels are far larger."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.small_maps import (
    GOOD_ENOUGH,
    Kind,
    SmallMap,
    best_range,
    map_as_is,
    small_map,
    table_by_row,
)

Floats = NDArray[np.float32]
LEVELS = 63
KIND = Kind(LEVELS)


def numbers(rows: int, columns: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def outputs(small: SmallMap, inputs: Floats) -> Floats:
    """What the graph's operators compute."""
    values = inputs if small.squeeze is None else inputs / small.squeeze
    peak = np.abs(values).max(axis=1, keepdims=True) if small.by_row else np.float32(1.0)
    values = values / peak
    taken = np.clip(np.round(values / small.scale) + small.zero, 0, 255).astype(np.int64)
    summed = (taken - small.zero) @ small.levels.astype(np.int64)
    found: Floats = (summed * small.scale * small.steps * peak).astype(np.float32)
    return found


def error(small: SmallMap, inputs: Floats, weight: Floats) -> float:
    exact = inputs @ weight
    return float(np.square(outputs(small, inputs) - exact).mean() / np.square(exact).mean())


def test_inputs_whose_channels_are_alike_are_taken_as_they_are() -> None:
    inputs, weight = numbers(400, 32), numbers(32, 16, seed=2)
    small = small_map(inputs, weight, KIND)
    assert small.squeeze is None
    assert error(small, inputs, weight) < GOOD_ENOUGH


def test_large_channels_are_squeezed_and_cost_the_others_nothing() -> None:
    inputs, weight = numbers(400, 64), numbers(64, 16, seed=2)
    inputs[:, 5] *= 80.0
    weight[5] /= 40.0
    small = small_map(inputs, weight, KIND)
    assert small.squeeze is not None
    assert small.squeeze[5] == small.squeeze.max()
    assert error(small, inputs, weight) < 2e-3


def test_by_row_a_few_large_tokens_cost_the_others_nothing() -> None:
    inputs, weight = numbers(400, 32), numbers(32, 16, seed=2)
    inputs[::50] *= 1_000.0
    small = small_map(inputs, weight, Kind(LEVELS, by_row=True))
    others = np.delete(inputs, np.s_[::50], axis=0)
    assert error(small, others, weight) < 1e-3
    assert error(small_map(inputs, weight, KIND), others, weight) > 0.1


def some_levels(seed: int = 3) -> tuple[NDArray[np.int8], Floats]:
    dice = np.random.default_rng(seed)
    steps = dice.uniform(0.001, 0.002, 16).astype(np.float32)
    return dice.integers(-9, 10, (64, 16)).astype(np.int8), steps


def test_weights_stay_as_they_are_and_only_inputs_are_rounded() -> None:
    inputs, (levels, steps) = numbers(400, 64), some_levels()
    small = map_as_is(inputs, levels, steps)
    assert not small.by_row
    assert small.levels is levels
    assert error(small, inputs, levels * steps) < GOOD_ENOUGH


def test_inputs_too_uneven_for_one_range_go_by_row() -> None:
    inputs, (levels, steps) = numbers(400, 64), some_levels()
    inputs[::50] *= 1_000.0
    small = map_as_is(inputs, levels, steps)
    others = np.delete(inputs, np.s_[::50], axis=0)
    assert small.by_row
    assert error(small, others, levels * steps) < 1e-3


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100.0))
@settings(max_examples=30, deadline=None)
def test_weights_never_exceed_their_levels(seed: int, size: float) -> None:
    small = small_map(numbers(60, 8, seed) * np.float32(size), numbers(8, 4, seed + 1), KIND)
    assert np.abs(small.levels).max() <= LEVELS
    assert 0 <= small.zero <= 255
    assert small.scale > 0


def test_an_input_that_is_never_negative_uses_the_whole_range() -> None:
    scale, zero = best_range(np.abs(numbers(200, 8)))
    assert zero == 0
    assert scale * 255 <= np.abs(numbers(200, 8)).max() + 1e-6


@pytest.mark.parametrize("inputs", [np.zeros((20, 4), np.float32), np.ones((20, 4), np.float32)])
def test_inputs_without_a_spread_are_no_problem(inputs: Floats) -> None:
    small = small_map(inputs, numbers(4, 3), KIND)
    assert np.isfinite(outputs(small, inputs)).all()


def test_a_table_comes_back_within_half_a_step() -> None:
    table = numbers(50, 16)
    small, scale = table_by_row(table)
    assert (np.abs(small * scale - table) <= scale * 0.5001).all()
