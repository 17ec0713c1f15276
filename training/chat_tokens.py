"""Dialogues as tokens: the chat template, and rows without waste."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Tokenizer

from training.chat_sources import Dialogue

MARKS = ("<|im_start|>", "<|im_end|>")
"""The special tokens of the chat template; they have the first numbers, in this order."""
ROLES = ("system", "user", "assistant")
TEMPLATE = {role: (f"{MARKS[0]}{role}\n", f"{MARKS[1]}\n") for role in ROLES}
"""What stands before and after each turn: as in the model that ours begins as."""

WINDOW = 64
"""Dialogues among which the one that fits a row best is looked for."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One dialogue's tokens, and how much the loss of each counts."""

    tokens: tuple[int, ...]
    weights: tuple[float, ...]

    def cut(self, longest: int) -> Piece:
        """Its beginning."""
        return Piece(self.tokens[:longest], self.weights[:longest])


def encode(
    tokenizer: Tokenizer, dialogues: Sequence[Dialogue], person: float, longest: int
) -> list[Piece]:
    """Dialogues as pieces of at most `longest` tokens; `person` weighs a person's turns.

    What stands before a turn carries no weight, for nobody has to guess it; of what stands after
    it, only the mark that ends it does.
    """
    texts = [text for each in dialogues for text in (each.system, *each.turns)]
    found = iter(tokenizer.encode_batch(texts, add_special_tokens=False))
    marks = {role: [_ids(tokenizer, part) for part in TEMPLATE[role]] for role in ROLES}
    return [_piece(each, found, marks, person).cut(longest) for each in dialogues]


def _piece(
    dialogue: Dialogue,
    found: Iterator[Any],
    marks: Mapping[str, Sequence[list[int]]],
    person: float,
) -> Piece:
    tokens: list[int] = []
    weights: list[float] = []
    shares = dict(zip(ROLES, (0.0, person, 1.0), strict=True))
    for number, text in enumerate((dialogue.system, *dialogue.turns)):
        ids = next(found).ids
        if number or text:
            role = ROLES[number % 2 or 2] if number else ROLES[0]
            before, after = marks[role]
            share = shares[role]
            tokens += [*before, *ids, *after]
            weights += [0.0] * len(before) + [share] * (len(ids) + 1) + [0.0] * (len(after) - 1)
    return Piece(tuple(tokens), tuple(weights))


def _ids(tokenizer: Tokenizer, text: str) -> list[int]:
    found: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return found


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
