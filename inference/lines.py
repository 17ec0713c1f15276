"""The lines of a file, none of which can fill the memory."""

from collections.abc import Iterator
from typing import BinaryIO

MAX_LINE_BYTES = 256 * 1024
"""A longer line is skipped over without being kept; 10,000 characters, escaped, are shorter."""


def lines(file: BinaryIO) -> Iterator[tuple[bytes | None, int]]:
    """Each line without its end, and its size; None for one that is too long to be kept."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        size = len(line)
        if size <= MAX_LINE_BYTES or line.endswith(b"\n"):
            yield line.rstrip(b"\r\n"), size
            continue
        while not line.endswith(b"\n") and (line := file.readline(MAX_LINE_BYTES)):
            size += len(line)
        yield None, size
