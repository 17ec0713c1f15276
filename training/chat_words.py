"""First values for the table of words, from the encoder that the other two models start from.

A decoder that sees few tokens gains from words whose neighbours are already their kin.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from tokenizers import Tokenizer

from training.decoder_graph import Array

SPREAD = 0.05
NOISE = 0.3
"""Share of chance, so that `Hello` and `hello` begin apart."""


def words_from(known: Array, vocabulary: Mapping[str, int], ours: Tokenizer, seed: int) -> Array:
    """One row for each of our tokens: the mean of the pieces that the encoder splits it into.

    `known` are the encoder's rows, `vocabulary` its pieces (`##` continues a word). A token that
    it cannot spell begins by chance.
    """
    dice = np.random.default_rng(seed)
    size = ours.get_vocab_size()
    table = dice.standard_normal((size, known.shape[1])).astype(np.float32)
    middle, spread = known.mean(axis=0), known.std()
    for number in range(size):
        rows = _pieces(ours.decode([number], skip_special_tokens=True), vocabulary)
        if rows:
            found = (known[rows].mean(axis=0) - middle) / spread
            table[number] = found + NOISE * table[number]
    return table * SPREAD


def _pieces(text: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The longest pieces from the left; none where a letter is unknown."""
    word = text.strip().lower()
    found: list[int] = []
    while word:
        for end in range(len(word), 0, -1):
            if (mark := ("##" if found else "") + word[:end]) in vocabulary:
                break
        else:
            return []
        found.append(vocabulary[mark])
        word = word[end:]
    return found
