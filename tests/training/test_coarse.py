"""Weights on few levels: as many bits as were asked for, and outputs nearer than by rounding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.coarse import BLOCK, LARGEST, bits, fitted, nearest, share_for, steps_of

Floats = NDArray[np.float32]


def numbers(rows: int, columns: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)


def inputs(rows: int, columns: int) -> Floats:
    """Tokens whose channels go together, as those of a model do."""
    mixed = numbers(columns // 8, columns, seed=5)
    found: Floats = numbers(rows, columns // 8, seed=2) @ mixed + 0.1 * numbers(rows, columns, 3)
    return found


def test_outputs_are_nearer_than_those_of_the_nearest_levels() -> None:
    weight, given_in = numbers(32, 2 * BLOCK + 16), inputs(2_000, 2 * BLOCK + 16)
    steps = steps_of(weight, 0.5)
    errors = [
        np.square(given_in @ (weight - levels * steps[:, None]).T).mean()
        for levels in (
            fitted(weight, steps, given_in.T @ given_in)[0],
            nearest(weight, steps),
        )
    ]
    assert errors[0] < 0.5 * errors[1]


def test_levels_are_the_nearest_of_the_weights_they_stand_for() -> None:
    weight, given_in = numbers(32, BLOCK + 16), inputs(2_000, BLOCK + 16)
    steps = steps_of(weight, 0.5)
    levels, wanted = fitted(weight, steps, given_in.T @ given_in)
    np.testing.assert_array_equal(levels, nearest(wanted, steps))
    assert np.abs(wanted - weight).max() > steps.max()


def test_inputs_that_have_nothing_in_common_leave_the_nearest_levels() -> None:
    weight = numbers(8, 48)
    steps = steps_of(weight, 0.5)
    levels, wanted = fitted(weight, steps, np.eye(48, dtype=np.float32))
    np.testing.assert_array_equal(levels, nearest(weight, steps))
    np.testing.assert_array_equal(wanted, weight)


def test_inputs_that_never_come_do_no_harm() -> None:
    weight, products = numbers(8, 48), np.zeros((48, 48), np.float32)
    found, _ = fitted(weight, steps_of(weight, 0.5), products)
    np.testing.assert_array_equal(found, nearest(weight, steps_of(weight, 0.5)))


def test_a_weight_far_beyond_the_others_keeps_its_place() -> None:
    weight = numbers(4, 8_192)
    weight[2, 7] = 60.0
    steps = steps_of(weight, 0.5)
    levels = nearest(weight, steps)
    assert levels[2, 7] == LARGEST
    assert levels[2, 7] * steps[2] == pytest.approx(60.0)


def test_outputs_without_weights_are_zero() -> None:
    weight = np.zeros((2, 8), np.float32)
    assert not nearest(weight, steps_of(weight, 0.5)).any()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_bits_are_the_entropy_of_the_levels(seed: int) -> None:
    levels = np.random.default_rng(seed).integers(0, 8, 4_096).astype(np.int8)
    assert bits(levels) == pytest.approx(3 * 4_096, rel=0.01)
    assert bits(np.zeros(64, np.int8)) == 0


def test_the_share_gives_as_many_bits_as_were_asked_for() -> None:
    weights = [numbers(64, 96), 0.01 * numbers(32, 64, seed=4)]
    share = share_for(weights, 3.0)
    found = [nearest(each, steps_of(each, share)) for each in weights]
    taken = sum(map(bits, found)) / sum(each.size for each in found)
    assert 2.95 <= taken <= 3.0
