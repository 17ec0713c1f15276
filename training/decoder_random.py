"""Writes a small random decoder with a tokenizer, on which an engine can be tested."""

from __future__ import annotations

from itertools import islice, product
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import onnx
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from training.decoder_graph import Array, Arrays, Shape, build
from training.decoder_ranges import small_maps
from training.small_maps import SmallMap

MARKS = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
"""The special tokens of the chat template; they have the first numbers, in this order."""

SELDOM = 0.1
"""How large the marks' rows are beside the others': whoever babbles should not end at once."""

LOUD = 8.0
"""How much more of a layer's own goes on than chance would give: else each token repeats itself."""

TINY = Shape(layers=2, width=64, heads=4, kv_heads=2, wide=128, vocab=512, context=256)


def random_weights(shape: Shape, seed: int) -> dict[str, Array]:
    """Weights whose logits differ enough for a clear choice of the next token."""
    dice = np.random.default_rng(seed)
    found = {}
    for name, size in shape.names().items():
        if len(size) == 1:
            found[name] = np.ones(size, dtype=np.float32)
        else:
            spread = 1.0 if name == "words.weight" else size[1] ** -0.5
            spread *= LOUD if name.endswith("narrow.weight") else 1.0
            found[name] = (spread * dice.standard_normal(size)).astype(np.float32)
    found["words.weight"][: len(MARKS)] *= SELDOM
    return found


def random_maps(weights: Arrays, shape: Shape, seed: int = 0) -> dict[str, SmallMap]:
    """The linear maps in bytes, with ranges of random texts."""
    dice = np.random.default_rng(seed)
    texts = dice.integers(0, shape.vocab, (8, min(64, shape.context)))
    return small_maps(weights, shape, texts.tolist())


def random_decoder(folder: Path, shape: Shape = TINY, seed: int = 0) -> None:
    """Writes `model.onnx` and `tokenizer.json`; the vocabulary may have 260 to 936 tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = random_weights(shape, seed)
    onnx.save(build(weights, shape, random_maps(weights, shape)), str(folder / "model.onnx"))
    byte_tokenizer(shape.vocab).save(str(folder / "tokenizer.json"))


def byte_tokenizer(vocab: int) -> Tokenizer:
    """A byte-level tokenizer of exactly so many tokens: marks, bytes, then pairs of letters."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    spare = vocab - len(MARKS) - len(alphabet)
    letters = ((one, two) for one, two in product(ascii_lowercase, repeat=2))
    pairs = list(islice(letters, max(spare, 0)))
    if len(pairs) != spare:
        raise ValueError(f"{vocab} tokens cannot be made; 260 to 936 can.")
    known = [*MARKS, *alphabet, *("".join(pair) for pair in pairs)]
    numbers = {token: number for number, token in enumerate(known)}
    tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in MARKS])
    return tokenizer
