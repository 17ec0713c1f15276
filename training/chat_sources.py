"""Public dialogues as alternating turns: a person's first, an assistant's second, and so on."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.holdout import fingerprint, held_out
from training.rows import read

SETS = {"self_dialogue": 24_000, "sgd_dialogues": 6_000}
"""Dialogues read of each set; task dialogues would teach an assistant to invent bookings."""

MAX_WORDS = 60
MIN_TURNS = 4
_SPACE = re.compile(r"\s+")
_NOISE = re.compile(r"https?:|www\.|\bturkers?\b|\bmturk\b|\bhits?\b|@\w|[<>{}|]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation whose turns alternate, a person's first; `system` may be empty."""

    turns: tuple[str, ...]
    source: str
    system: str = ""

    @property
    def text(self) -> str:
        """All turns, a line each."""
        return "\n".join(self.turns)


def public(data: Path, seed: int) -> Iterator[Dialogue]:
    """Dialogues of the public sets that are long enough and free of noise."""
    for name, most in SETS.items():
        records = list(read(data / f"{name}.jsonl.gz"))
        random.Random(seed).shuffle(records)
        for record in records[:most]:
            turns = alternating(record["turns"])
            if len(turns) >= MIN_TURNS and not any(map(_is_noise, turns)):
                yield Dialogue(turns, name)


def alternating(turns: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Texts of (speaker, text) pairs; what one speaker says in a row becomes one turn."""
    merged: list[tuple[str, str]] = []
    for speaker, text in turns:
        tidy = _SPACE.sub(" ", text).strip()
        if merged and merged[-1][0] == speaker:
            merged[-1] = (speaker, f"{merged[-1][1]} {tidy}")
        elif tidy:
            merged.append((speaker, tidy))
    return tuple(text for _, text in merged)


def _is_noise(turn: str) -> bool:
    return bool(_NOISE.search(turn)) or len(turn.split()) > MAX_WORDS


def drop_held_out(
    dialogues: Iterable[Dialogue], hashes: frozenset[str] | None = None
) -> list[Dialogue]:
    """The dialogues of which neither the whole nor a turn is held out."""
    known = held_out() if hashes is None else hashes
    return [
        each
        for each in dialogues
        if not any(fingerprint(text) in known for text in (each.text, *each.turns))
    ]


def save(dialogues: Iterable[Dialogue], path: Path) -> None:
    """Write dialogues as gzip JSON lines."""
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for each in dialogues:
            lines.write(json.dumps({"turns": each.turns, "source": each.source}) + "\n")


def load(path: Path) -> list[Dialogue]:
    """Read what `save` wrote."""
    return [Dialogue(tuple(record["turns"]), record["source"]) for record in read(path)]
