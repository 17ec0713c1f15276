"""Weights in three bits: each is one of eight numbers, times a multiplier for its group.

A decoder's folder may hold such weights in `weights.npz` beside its graph, which then names them
as external data: for a matrix of bytes `NAME` (inputs × outputs) the arrays `NAME.planes`, one
plane for each bit with eight weights to a byte, and `NAME.times`, the multipliers.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from inference.errors import BadModel

WEIGHTS = "weights.npz"
GROUP = 32
"""Neighbours on the side of the inputs that share a multiplier."""
CODE = (-21, -12, -6, 0, 4, 9, 15, 21)
"""What three bits stand for, in units of a twenty-first of the group's multiplier.

Closer near zero, where most weights are, and with zero itself among them.
"""
BITS = 3
LARGEST = 63
"""The largest multiplier, and so the largest level: sums of products then fit on any processor."""

Bytes = NDArray[np.int8]
Bits = NDArray[np.uint8]

_LEVELS = np.round(
    np.array(CODE, dtype=np.float32) / CODE[-1] * np.arange(-LARGEST, LARGEST + 1)[:, None]
).astype(np.int8)
"""The level of each multiplier (from -LARGEST on) and digit."""


def levels(digits: Bits, times: Bytes) -> Bytes:
    """The whole numbers, inputs × outputs, that digits (0 to 7) and times (group × output) mean."""
    rows = (times.astype(np.int16) + LARGEST) * len(CODE)
    found: Bytes = _LEVELS.ravel()[rows.repeat(GROUP, axis=0) + digits]
    return found


def planes(digits: Bits) -> Bits:
    """All first bits, all second bits, all third bits, eight to a byte: [3, count / 8].

    Raises ValueError where the count is not a multiple of eight.
    """
    if digits.size % 8:
        raise ValueError(f"digits come in eights; these are {digits.size}.")
    bits = (digits.reshape(-1) >> np.arange(BITS, dtype=np.uint8)[:, None]) & 1
    return np.packbits(bits, axis=1, bitorder="little")


def digits(packed: Bits, shape: tuple[int, int]) -> Bits:
    """The digits (inputs × outputs) of their planes."""
    one, two, three = np.unpackbits(packed, axis=1, bitorder="little")
    found: Bits = one | (two << 1) | (three << 2)
    return found.reshape(shape)


def save(path: Path, matrices: Mapping[str, tuple[Bits, Bytes]]) -> None:
    """Writes digits and multipliers of each matrix, by its name."""
    arrays: dict[str, Any] = {}
    for name, (some, times) in matrices.items():
        arrays |= {f"{name}.planes": planes(some), f"{name}.times": times}
    np.savez(path, **arrays)


def read(path: Path) -> dict[str, Bytes]:
    """The levels of every matrix that the file holds, by its name; raises BadModel."""
    try:
        with path.open("rb") as file, NpzFile(file, allow_pickle=False) as found:
            with zipfile.ZipFile(file) as parts:
                _check_size(parts.infolist(), path.stat().st_size)
            arrays: dict[str, NDArray[Any]] = {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        raise BadModel(f"{path.name} is no file of arrays: {error}.") from None
    names = {name.rpartition(".")[0] for name in arrays}
    return {name: _matrix(name, arrays) for name in sorted(names)}


def _check_size(parts: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Raises ValueError for what would be larger in memory than its file, however small that is."""
    if (whole := sum(part.file_size for part in parts)) > size:
        raise ValueError(f"its arrays have {whole} bytes, more than the file; do not compress them")


def _matrix(name: str, arrays: Mapping[str, NDArray[Any]]) -> Bytes:
    packed, times = (arrays.get(f"{name}.{part}") for part in ("planes", "times"))
    if packed is None or times is None:
        raise BadModel(f"{WEIGHTS} must hold {name}.planes and {name}.times; one is missing.")
    if times.dtype != np.int8 or times.ndim != 2 or not times.size or _largest(times) > LARGEST:
        raise BadModel(f"{name}.times must be int8 (group × output) of at most {LARGEST}.")
    shape = (len(times) * GROUP, times.shape[1])
    wanted = (BITS, shape[0] * shape[1] // 8)
    if packed.dtype != np.uint8 or packed.shape != wanted:
        raise BadModel(
            f"{name}.planes must be uint8 {wanted}; it is {packed.dtype} {packed.shape}."
        )
    return levels(digits(packed, shape), times)


def _largest(times: Bytes) -> int:
    return int(np.abs(times.astype(np.int64)).max())
