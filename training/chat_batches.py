"""Packed rows of dialogues as tensors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from training.chat_tokens import Piece, rows
from training.decoder_fit import Batch


def batch_of(packed: Sequence[Sequence[Piece]], length: int) -> Batch:
    """Rows as tensors; what is left of a row belongs to no dialogue and carries no weight."""
    tokens = torch.zeros(len(packed), length, dtype=torch.int64)
    weights = torch.zeros(len(packed), length)
    dialogues = torch.full((len(packed), length), -1, dtype=torch.int64)
    for number, row in enumerate(packed):
        at = 0
        for which, piece in enumerate(row):
            end = at + len(piece.tokens)
            tokens[number, at:end] = torch.tensor(piece.tokens)
            weights[number, at:end] = torch.tensor(piece.weights)
            dialogues[number, at:end] = which
            at = end
    return tokens, weights, dialogues


def batches(pieces: Iterable[Piece], length: int, size: int) -> Iterator[Batch]:
    """Batches of `size` packed rows; the last, incomplete one is left out."""
    gathered: list[list[Piece]] = []
    for row in rows(pieces, length):
        gathered.append(row)
        if len(gathered) == size:
            yield batch_of(gathered, length)
            gathered = []
