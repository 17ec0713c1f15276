"""Reads the public data sets into one kind of row."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One text with what is known of its targets; a head that is missing is unknown."""

    text: str
    targets: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    weight: float = 1.0
    read: bool = False
    """Whether one of us read the text by our definitions: see `reread.py`."""


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one gzip file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def capped(rows: Iterable[Row], caps: Mapping[str, int], seed: int) -> list[Row]:
    """At most so many rows of each source, drawn at random; sources without a cap stay whole."""
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.source].append(row)
    dice = random.Random(seed)
    kept: list[Row] = []
    for source in sorted(groups):
        dice.shuffle(groups[source])
        kept += groups[source][: caps.get(source, len(groups[source]))]
    dice.shuffle(kept)
    return kept
