"""A folder of public sets with a few lines each, as training reads it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

NAMES = (
    "unified_moderation", "second_wave", "tweeteval_offensive", "self_dialogue", "sgd_dialogues",
    "semeval_sentiment", "umsab_sentiment", "goemotions", "presidio_pii", "diasafety",
    "tweeteval_emotion", "tweeteval_irony",
)  # fmt: skip


def write(folder: Path, **sets: Sequence[Mapping[str, object]]) -> Path:
    """These sets; the others are empty."""
    for name in NAMES:
        lines = "".join(json.dumps(record) + "\n" for record in sets.get(name, ()))
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return folder


def row(text: str, source: str, **targets: float) -> dict[str, object]:
    """A line of the moderation sets."""
    return {"text": text, "src": source, "y": targets, "w": 1.0, "lang": "en"}
