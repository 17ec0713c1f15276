"""A model whose bytes judge otherwise than its network is refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.verify import MEAN_TOLERANCE, NEARLY_ALL_TOLERANCE, assert_close, distance

Scores = NDArray[np.float32]


def scores(seed: int = 1) -> Scores:
    return np.random.default_rng(seed).random((400, 3)).astype(np.float32)


def test_small_gaps_are_told_and_let_through() -> None:
    exact = scores()
    found = assert_close(exact, exact + np.float32(0.002))
    assert found.mean == pytest.approx(0.002, abs=1e-4)
    assert "mean 0.0020, 99 % 0.0020, largest 0.0020" in str(found)


def test_scores_that_are_off_on_average_are_refused() -> None:
    exact = scores() * np.float32(0.4)
    with pytest.raises(AssertionError, match=r"too far off: .*mean 0\.02"):
        assert_close(exact, exact + np.float32(2 * MEAN_TOLERANCE))


def test_a_few_scores_that_are_far_off_are_refused() -> None:
    exact = scores() * np.float32(0.4)
    off = exact.copy()
    off[:20, 1] += 2 * NEARLY_ALL_TOLERANCE
    assert distance(exact, off).mean < MEAN_TOLERANCE
    with pytest.raises(AssertionError, match="too far off"):
        assert_close(exact, off)


def test_one_label_that_decides_otherwise_is_refused() -> None:
    exact = np.full((400, 3), 0.499, np.float32)
    off = exact.copy()
    off[:10, 2] = 0.501
    with pytest.raises(AssertionError, match=r"by label: 100\.0%, 100\.0%, 97\.5%"):
        assert_close(exact, off)


def test_scores_that_are_no_numbers_are_refused() -> None:
    exact = scores()
    with pytest.raises(AssertionError, match="too far off"):
        assert_close(exact, np.full_like(exact, np.nan))
