"""How the next token is chosen."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import ModelUnavailable
from inference.generator import Sampling
from inference.sampling_numpy import Chooser, nucleus

ROW = np.log(np.array([0.5, 0.2, 0.2, 0.06, 0.04], dtype=np.float32))


def chosen(count: int, row: np.ndarray = ROW, **sampling: float | None) -> list[int]:
    chooser = Chooser(Sampling(max_tokens=1, **sampling))  # type: ignore[arg-type]
    return [chooser(row) for _ in range(count)]


@pytest.mark.parametrize("temperature", [0.0, 1e-9])
def test_without_temperature_the_likeliest_token_is_taken(temperature: float) -> None:
    assert set(chosen(50, temperature=temperature)) == {0}


def test_the_same_seed_gives_the_same_choices() -> None:
    assert chosen(50, seed=3) == chosen(50, seed=3)
    assert chosen(50, seed=3) != chosen(50, seed=4)
    assert chosen(50, seed=None) != chosen(50, seed=None)


def test_tokens_come_as_often_as_they_are_likely() -> None:
    counted = Counter(chosen(20_000, seed=1))

    assert [counted[token] / 20_000 for token in range(5)] == pytest.approx(
        np.exp(ROW).tolist(), abs=0.015
    )


def test_a_high_temperature_makes_rare_tokens_frequent() -> None:
    counted = Counter(chosen(5_000, seed=1, temperature=100.0))

    assert counted[4] / 5_000 == pytest.approx(0.2, abs=0.03)


@pytest.mark.parametrize(
    ("top_p", "expected"), [(0.0, {0}), (0.4, {0}), (0.69, {0, 1, 2}), (0.95, {0, 1, 2, 3})]
)
def test_only_the_likeliest_tokens_of_the_share_are_taken(top_p: float, expected: set[int]) -> None:
    assert set(chosen(2_000, seed=1, top_p=top_p)) == expected


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40).filter(any),
    st.floats(0, 0.999),
)
def test_the_nucleus_is_the_smallest_set_with_its_share(found: list[float], share: float) -> None:
    weights = np.array(found, dtype=np.float32)
    ordered = sorted(found, reverse=True)
    sums = np.cumsum(ordered)
    size = int(np.searchsorted(sums, share * weights.sum(dtype=np.float64))) + 1
    last = ordered[min(size, len(found)) - 1]

    kept = nucleus(weights, share).tolist()

    assert kept == [place for place, weight in enumerate(found) if weight >= last]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_rows_that_hold_no_numbers_are_refused(bad: float) -> None:
    row = ROW.copy()
    row[2] = bad

    with pytest.raises(ModelUnavailable, match="not a number"):
        chosen(1, row)


def test_tokens_that_are_impossible_are_never_taken() -> None:
    row = np.array([-np.inf, 0.0, -np.inf], dtype=np.float32)

    assert set(chosen(200, row, seed=1, temperature=5.0)) == {1}
