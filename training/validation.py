"""The texts that no run learns from: kept beside a run, or made again from the data alone."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

from training.holdout import drop_held_out, is_calibration, is_validation
from training.mix import validation_mix
from training.rows import Row, read
from training.sources import moderation_rows, sentiment_rows

VALIDATION = "validation.jsonl.gz"
DISTIL_SEED = 71
"""What `distil` draws with by default; guard-mini's validation texts are always drawn with it."""

MADE = ("generated", "document", "quoted", "meant")


def moderation_validation(data: Path, seed: int = DISTIL_SEED) -> list[Row]:
    """What a moderation run with this seed keeps for validation."""
    return validation_mix(drop_held_out(moderation_rows(data)), seed)


def sentiment_validation(data: Path) -> list[Row]:
    """What every sentiment run keeps for validation."""
    return [row for row in drop_held_out(sentiment_rows(data)) if is_validation(row.text)]


def is_made(row: Row) -> bool:
    """Whether a sentence of ours is in it, so that its style is known from training."""
    return row.source.startswith(MADE)


def is_innocent(row: Row) -> bool:
    """Whether it was added to show what an innocent input looks like: it has figures of its own."""
    return row.source.startswith("harmless.")


def reported(rows: Sequence[Row]) -> list[Row]:
    """The half of the validation rows that calibration has not seen."""
    return [row for row in rows if not is_calibration(row.text)]


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as a gzip file of JSON lines."""
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        for row in rows:
            record = {"text": row.text, "targets": dict(row.targets), "source": row.source}
            lines.write(json.dumps(record | {"weight": row.weight}) + "\n")


def read_rows(path: Path) -> list[Row]:
    """The rows of such a file; runs of old say no weights."""
    return [
        Row(record["text"], record["targets"], record["source"], record.get("weight", 1.0))
        for record in read(path)
    ]
