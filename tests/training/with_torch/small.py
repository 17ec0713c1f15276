"""A small decoder and dialogues of numbers, for tests of how decoders learn."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from training.decoder import Decoder
from training.decoder_fit import Batch, loss_of
from training.decoder_graph import Shape

SHAPE = Shape(layers=2, width=32, heads=4, kv_heads=2, wide=48, vocab=64, context=32)


def network(seed: int = 1) -> Decoder:
    """A decoder that knows nothing."""
    torch.manual_seed(seed)
    made = Decoder(SHAPE)
    for each in made.parameters():
        if each.ndim == 2:
            torch.nn.init.normal_(each, std=0.1)
    return made


def counting(seed: int = 1) -> Iterator[Batch]:
    """Rows that count upwards by seven, each from anywhere."""
    dice = torch.Generator().manual_seed(seed)
    while True:
        begin = torch.randint(0, SHAPE.vocab, (8, 1), generator=dice)
        tokens = (begin + 7 * torch.arange(SHAPE.context)) % SHAPE.vocab
        yield tokens, torch.ones_like(tokens, dtype=torch.float32), torch.zeros_like(tokens)


def loss(found: Decoder) -> float:
    """The mean loss of a token on rows that no test learns from."""
    with torch.inference_mode():
        summed, weight = loss_of(found, next(counting(99)), torch.float32)
    return float(summed / weight)
