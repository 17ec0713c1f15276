"""Dialogues as tokens: the chat template, and rows without waste."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from training.chat_sources import Dialogue
from training.decoder_random import MARKS

SYSTEM, USER, ASSISTANT, END = range(len(MARKS))
TEMPLATE = {
    "system": (MARKS[SYSTEM], MARKS[END]),
    "user": (MARKS[USER], MARKS[END]),
    "assistant": (MARKS[ASSISTANT], MARKS[END]),
}
"""What stands before and after each turn."""

WINDOW = 64
"""Dialogues among which the one that fits a row best is looked for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One dialogue's tokens, and how much the loss of each counts."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]


def encode(
    tokenizer: Tokenizer, dialogues: Sequence[Dialogue], person: float, longest: int
) -> list[Piece]:
    """Dialogues as pieces of at most `longest` tokens; `person` weighs a person's turns.

    Marks that only open a turn carry no weight, for nobody has to guess them.
    """
    texts = [text for each in dialogues for text in (each.system, *each.turns)]
    found = iter(tokenizer.encode_batch(texts, add_special_tokens=False))
    return [_piece(each, found, person, longest) for each in dialogues]


def _piece(dialogue: Dialogue, found: Iterator[Any], person: float, longest: int) -> Piece:
    tokens: list[int] = []
    weights: list[float] = []
    for number, text in enumerate((dialogue.system, *dialogue.turns)):
        ids = next(found).ids
        if number or text:
            opening = SYSTEM if number == 0 else USER if number % 2 else ASSISTANT
            share = 0.0 if number == 0 else person if number % 2 else 1.0
            tokens += [opening, *ids, END]
            weights += [0.0, *[share] * (len(ids) + 1)]
    return Piece(tuple(tokens[:longest]), tuple(weights[:longest]))


def rows(pieces: Iterable[Piece], length: int) -> Iterator[list[Piece]]:
    """Pieces gathered into rows of at most `length` tokens, the longest that fits first."""
    source = iter(pieces)
    waiting: list[Piece] = []
    while True:
        waiting += [piece for _, piece in zip(range(WINDOW - len(waiting)), source, strict=False)]
        if not waiting:
            return
        row, room = [waiting.pop(0)], length
        room -= len(row[0].tokens)
        waiting.sort(key=lambda piece: -len(piece.tokens))
        for piece in list(waiting):
            if len(piece.tokens) <= room:
                row.append(piece)
                waiting.remove(piece)
                room -= len(piece.tokens)
        random.Random(len(waiting) + room).shuffle(waiting)
        yield row
