"""Turns rows into token numbers and target matrices, the way inference reads a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tqdm import tqdm

from inference.normalisation import normalise
from inference.windows_onnx import vocabulary_of
from training.encoder import base_folder
from training.fit import Encoded
from training.rows import Row


def shipped_tokenizer() -> Tokenizer:
    """The base tokenizer without its padding and truncation: inference decides on both."""
    tokenizer = Tokenizer.from_file(str(base_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def numbers_of(texts: Sequence[str], tokenizer: Tokenizer, limit: int) -> list[list[int]]:
    """Token numbers of normalised texts, cut at `limit` with the end mark kept."""
    result: list[list[int]] = []
    vocabulary = vocabulary_of(tokenizer)
    for start in tqdm(range(0, len(texts), 4096), unit="×4096 texts", mininterval=5.0):
        clean = [normalise(text[:6000], vocabulary).text for text in texts[start : start + 4096]]
        for encoding in tokenizer.encode_batch(clean):
            ids = encoding.ids
            result.append(ids if len(ids) <= limit else [*ids[: limit - 1], ids[-1]])
    return result


def encode(
    rows: Sequence[Row],
    heads: Sequence[str],
    limit: int,
    importance: Mapping[str, float] | None = None,
    boost: Mapping[str, float] | None = None,
) -> Encoded:
    """Rows as the network wants them; some heads count more, and positives of rare heads."""
    importance, boost = importance or {}, boost or {}
    targets = np.zeros((len(rows), len(heads)), dtype=np.float32)
    weights = np.zeros_like(targets)
    for at, row in enumerate(rows):
        for column, head in enumerate(heads):
            if head in row.targets:
                target = targets[at, column] = row.targets[head]
                weight = row.weight * importance.get(head, 1.0)
                weights[at, column] = weight * (boost.get(head, 1.0) if target >= 0.5 else 1.0)
    tokens = numbers_of([row.text for row in rows], shipped_tokenizer(), limit)
    return Encoded(tokens, targets, weights)


def write_tokenizer(folder: Path) -> None:
    """Write the tokenizer as the model folder ships it."""
    shipped_tokenizer().save(str(folder / "tokenizer.json"))
