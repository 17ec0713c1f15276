"""Packed rows of dialogues as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.chat_tokens import Piece, rows

Arrays = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]
"""Tokens, weights of their loss, and numbers of their dialogues: [rows, length] each."""


def batch_of(packed: Sequence[Sequence[Piece]], length: int) -> Arrays:
    """Rows as arrays; what is left of a row belongs to no dialogue and carries no weight."""
    tokens = np.zeros((len(packed), length), np.int64)
    weights = np.zeros((len(packed), length), np.float32)
    dialogues = np.full((len(packed), length), -1, np.int64)
    for number, row in enumerate(packed):
        at = 0
        for which, piece in enumerate(row):
            end = at + len(piece.tokens)
            tokens[number, at:end] = piece.tokens
            weights[number, at:end] = piece.weights
            dialogues[number, at:end] = which
            at = end
    return tokens, weights, dialogues


def batches(pieces: Iterable[Piece], length: int, size: int) -> Iterator[Arrays]:
    """Batches of `size` packed rows; the last, incomplete one is left out."""
    gathered: list[Any] = []
    for row in rows(pieces, length):
        gathered.append(row)
        if len(gathered) == size:
            yield batch_of(gathered, length)
            gathered = []
