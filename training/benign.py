"""Harmless chat that no moderation run learns from: for thresholds and for false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from training.holdout import drop_held_out, is_validation
from training.rows import Row, capped, read
from training.sources import moderation_rows

CAPS = {"self_dialogue": 4000, "sgd": 4000}
REDDIT = "goemotions_pos"


def benign_rows(data: Path, seed: int = 17) -> list[Row]:
    """Turns of dialogues, assistant queries and harmless Reddit comments, each text once."""
    known = drop_held_out(_once([*_turns(data), *_kept_back(data)]))
    return capped(known, CAPS, seed)


def _turns(data: Path) -> Iterator[Row]:
    """Turns of two dialogue sets; of the first those kept back, the second is never learnt from."""
    for record in read(data / "self_dialogue.jsonl.gz"):
        texts = [text for _, text in record["turns"]]
        yield from (Row(text, {}, "self_dialogue") for text in texts if is_validation(text))
    for record in read(data / "sgd_dialogues.jsonl.gz"):
        yield from (Row(text, {}, "sgd") for _, text in record["turns"][:2])


def _kept_back(data: Path) -> Iterator[Row]:
    for row in moderation_rows(data):
        if row.source in {"clinc", REDDIT} and is_validation(row.text):
            yield Row(row.text, {}, row.source)


def _once(rows: Iterable[Row]) -> list[Row]:
    return list({row.text: row for row in rows if row.text.strip()}.values())
