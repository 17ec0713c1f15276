"""Matrices of bytes that a decoder's graph leaves out, packed into a file beside it.

The graph names them as external data. In the file each matrix `NAME` (inputs × outputs) is a zlib
stream, `NAME.packed`, with its size, `NAME.shape`: weights on few levels take three or four bits
each there, and are bytes again when a worker opens the version.
"""

import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from inference.errors import BadModel

WEIGHTS = "weights.npz"
MOST = 16
"""How many bytes a packed byte may become: each weight takes half a bit at least."""

Bytes = NDArray[np.int8]


def save(path: Path, matrices: Mapping[str, Bytes]) -> None:
    """Writes each matrix by its name."""
    arrays: dict[str, Any] = {}
    for name, each in matrices.items():
        # Weights hardly repeat each other; looking for what does makes streams longer.
        packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_HUFFMAN_ONLY)
        packed = packer.compress(each.tobytes()) + packer.flush()
        arrays[f"{name}.packed"] = np.frombuffer(packed, np.uint8)
        arrays[f"{name}.shape"] = np.array(each.shape, np.int64)
    np.savez(path, **arrays)


def read(path: Path) -> dict[str, Bytes]:
    """Every matrix that the file holds, by its name; raises BadModel."""
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
    packed, shape = (arrays.get(f"{name}.{part}") for part in ("packed", "shape"))
    if packed is None or shape is None:
        raise BadModel(f"{WEIGHTS} must hold {name}.packed and {name}.shape; one is missing.")
    if packed.dtype != np.uint8 or packed.ndim != 1:
        raise BadModel(f"{name}.packed must be uint8 in a row; it is {packed.dtype}.")
    if shape.dtype != np.int64 or shape.shape != (2,) or shape.min() < 1:
        raise BadModel(f"{name}.shape must be two int64 above zero; it is {shape!r:.80}.")
    rows, columns = (int(each) for each in shape)
    if rows * columns > MOST * packed.size:
        raise BadModel(f"{name} would be {rows} × {columns}, more than its packed bytes can hold.")
    return np.frombuffer(_unpacked(name, packed, rows * columns), np.int8).reshape(rows, columns)


def _unpacked(name: str, packed: NDArray[Any], size: int) -> bytes:
    """The stream's bytes, which must be so many; at most one more is unpacked."""
    opener = zlib.decompressobj()
    try:
        found = opener.decompress(packed.tobytes(), size + 1)
    except zlib.error as error:
        raise BadModel(f"{name}.packed is no zlib stream: {error}.") from None
    if len(found) != size or not opener.eof or opener.unused_data:
        raise BadModel(f"{name}.packed does not hold exactly {size} bytes.")
    return found
