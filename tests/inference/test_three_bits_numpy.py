"""Weights in three bits come back as they were, and files that hold none are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import three_bits_numpy
from inference.errors import BadModel
from inference.three_bits_numpy import CODE, GROUP, LARGEST, Bits, Bytes

ROWS, COLUMNS = 2 * GROUP, 12


def some(seed: int = 3) -> tuple[Bits, Bytes]:
    dice = np.random.default_rng(seed)
    digits = dice.integers(0, len(CODE), (ROWS, COLUMNS)).astype(np.uint8)
    times = dice.integers(-LARGEST, LARGEST + 1, (ROWS // GROUP, COLUMNS)).astype(np.int8)
    return digits, times


def test_digits_stand_for_the_numbers_of_their_group() -> None:
    digits, times = some()
    found = three_bits_numpy.levels(digits, times)
    for row, column in ((0, 0), (GROUP - 1, 3), (GROUP, 3), (ROWS - 1, COLUMNS - 1)):
        number = CODE[digits[row, column]] * int(times[row // GROUP, column])
        assert found[row, column] == round(number / CODE[-1])
    assert np.abs(found).max() <= LARGEST


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_digits_come_back_from_their_planes(seed: int) -> None:
    digits, _ = some(seed)
    packed = three_bits_numpy.planes(digits)
    assert packed.nbytes * 8 == digits.size * 3
    np.testing.assert_array_equal(three_bits_numpy.digits(packed, digits.shape), digits)


def test_matrices_come_back_from_their_file(tmp_path: Path) -> None:
    kept = {"layers.0.levels": some(1), "layers.1.levels": some(2)}
    three_bits_numpy.save(tmp_path / "weights.npz", kept)
    found = three_bits_numpy.read(tmp_path / "weights.npz")
    assert list(found) == list(kept)
    for name, (digits, times) in kept.items():
        np.testing.assert_array_equal(found[name], three_bits_numpy.levels(digits, times))


def test_digits_that_do_not_fill_their_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="these are 9"):
        three_bits_numpy.planes(np.zeros((3, 3), dtype=np.uint8))


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x05\x06", b"\x93NUMPY\x01"])
def test_what_is_no_file_of_arrays_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(BadModel, match=r"weights.npz is no file of arrays"):
        three_bits_numpy.read(path)


def test_one_array_alone_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "weights.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BadModel, match=r"weights.npz is no file of arrays"):
        three_bits_numpy.read(tmp_path / "weights.npz")


def test_what_grows_when_it_is_opened_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    arrays: dict[str, Any] = {"a.planes": np.zeros((3, 1 << 20), np.uint8)}
    np.savez_compressed(path, **arrays)
    with pytest.raises(BadModel, match="more than the file; do not compress them"):
        three_bits_numpy.read(path)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    arrays: dict[str, Any] = {"a.planes": np.array([{}], dtype=object)}
    np.savez(path, **arrays)
    with pytest.raises(BadModel, match="allow_pickle"):
        three_bits_numpy.read(path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"a.times": None}, "must hold a.planes and a.times"),
        ({"a.planes": None}, "must hold a.planes and a.times"),
        ({"a.times": np.full((2, COLUMNS), 64, np.int8)}, "of at most 63"),
        ({"a.times": np.full((2, COLUMNS), -128, np.int8)}, "of at most 63"),
        ({"a.times": np.ones((2, COLUMNS), np.float32)}, "must be int8"),
        ({"a.times": np.ones(2, np.int8)}, "must be int8"),
        ({"a.times": np.ones((0, COLUMNS), np.int8)}, "must be int8"),
        (
            {"a.planes": np.zeros((3, 5), np.uint8)},
            r"must be uint8 \(3, 96\); it is uint8 \(3, 5\)",
        ),
        ({"a.planes": np.zeros((3, 96), np.int64)}, "it is int64"),
        ({"a.planes": np.zeros((2, 96), np.uint8)}, r"it is uint8 \(2, 96\)"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    digits, times = some()
    arrays: dict[str, Any] = {
        "a.planes": three_bits_numpy.planes(digits),
        "a.times": times,
    } | changes
    path = tmp_path / "weights.npz"
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(BadModel, match=complaint):
        three_bits_numpy.read(path)
