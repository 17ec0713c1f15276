"""Matrices come back from their file as they were, and files that hold none are refused."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference import weights_numpy
from inference.errors import BadModel
from inference.weights_numpy import WEIGHTS, Bytes


def some(seed: int, rows: int = 64) -> Bytes:
    return np.random.default_rng(seed).integers(-9, 10, (rows, 48)).astype(np.int8)


def test_matrices_come_back_from_their_file(tmp_path: Path) -> None:
    kept = {"layers.0.levels": some(1), "layers.1.levels": some(2)}
    weights_numpy.save(tmp_path / WEIGHTS, kept)
    found = weights_numpy.read(tmp_path / WEIGHTS)
    assert list(found) == list(kept)
    for name, levels in kept.items():
        np.testing.assert_array_equal(found[name], levels)


def test_few_levels_take_few_bits(tmp_path: Path) -> None:
    levels = np.random.default_rng(3).normal(0.0, 2.0, (512, 256)).round().astype(np.int8)
    weights_numpy.save(tmp_path / WEIGHTS, {"a": levels})
    assert (tmp_path / WEIGHTS).stat().st_size * 8 < 3.2 * levels.size  # Their entropy is 3.05.


@pytest.mark.parametrize("content", [b"", b"weights", b"PK\x05\x06", b"\x93NUMPY\x01"])
def test_what_is_no_file_of_arrays_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    path.write_bytes(content)
    with pytest.raises(BadModel, match=r"weights.npz is no file of arrays"):
        weights_numpy.read(path)


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS
    weights_numpy.save(path, {"a": some(1)})
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(BadModel, match=r"weights.npz is no file of arrays"):
        weights_numpy.read(path)


def test_one_array_alone_is_refused(tmp_path: Path) -> None:
    with (tmp_path / WEIGHTS).open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BadModel, match=r"weights.npz is no file of arrays"):
        weights_numpy.read(tmp_path / WEIGHTS)


def test_what_grows_when_it_is_opened_is_refused(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"a.packed": np.zeros(1 << 20, np.uint8)}
    np.savez_compressed(tmp_path / WEIGHTS, **arrays)
    with pytest.raises(BadModel, match="more than the file; do not compress them"):
        weights_numpy.read(tmp_path / WEIGHTS)


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"a.packed": np.array([{}], dtype=object)}
    np.savez(tmp_path / WEIGHTS, **arrays)
    with pytest.raises(BadModel, match="allow_pickle"):
        weights_numpy.read(tmp_path / WEIGHTS)


def stream(size: int) -> np.ndarray[Any, Any]:
    """So many random levels, packed."""
    levels = np.random.default_rng(2).integers(-9, 10, size).astype(np.int8)
    return np.frombuffer(zlib.compress(levels.tobytes()), np.uint8)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"a.shape": None}, "must hold a.packed and a.shape"),
        ({"a.packed": None}, "must hold a.packed and a.shape"),
        ({"a.packed": stream(96).view(np.int8)}, "must be uint8 in a row; it is int8"),
        ({"a.packed": stream(96)[None]}, "must be uint8 in a row"),
        ({"a.packed": np.zeros(96, np.uint8)}, "is no zlib stream"),
        ({"a.packed": stream(95)}, "does not hold exactly 96 bytes"),
        ({"a.packed": stream(97)}, "does not hold exactly 96 bytes"),
        ({"a.packed": stream(96)[:-6]}, "does not hold exactly 96 bytes"),
        ({"a.packed": np.append(stream(96), np.uint8(0))}, "does not hold exactly 96 bytes"),
        ({"a.shape": np.array([8, 12], np.int32)}, "must be two int64 above zero"),
        ({"a.shape": np.array([8, 12, 1])}, "must be two int64 above zero"),
        ({"a.shape": np.array([-8, -12])}, "must be two int64 above zero"),
        ({"a.shape": np.array([0, 12])}, "must be two int64 above zero"),
        ({"a.shape": np.array([1 << 40, 1 << 40])}, "more than its packed bytes can hold"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(
    changes: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    arrays: dict[str, Any] = {"a.packed": stream(96), "a.shape": np.array([8, 12])} | changes
    kept = {name: value for name, value in arrays.items() if value is not None}
    np.savez(tmp_path / WEIGHTS, **kept)
    with pytest.raises(BadModel, match=complaint):
        weights_numpy.read(tmp_path / WEIGHTS)


def test_a_stream_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    bomb = np.frombuffer(zlib.compress(bytes(1 << 24)), np.uint8)
    arrays: dict[str, Any] = {"a.packed": bomb, "a.shape": np.array([1 << 12, 1 << 12])}
    np.savez(tmp_path / WEIGHTS, **arrays)
    with pytest.raises(BadModel, match="more than its packed bytes can hold"):
        weights_numpy.read(tmp_path / WEIGHTS)
