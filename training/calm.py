"""Tells how often harmless texts of each kind and length reach 0.5, label by label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from training.innocent import innocent_validation
from training.rows import Row
from training.scores import Judged
from training.validation import DISTIL_SEED, reported

SHOWN = ("harm", "toxicity", "profanity", "sexual", "self_harm", "illicit", "spam")
LENGTHS = (1, 4, 16, 64, 128, 256, 1000)
"""Words from which a text belongs to the next row of lengths."""
HEAD = [f"| harmless texts | texts | {' | '.join(SHOWN)} | another |", "|---" * 10 + "|"]


def calm_rows(data: Path, folder: Path, seed: int = DISTIL_SEED) -> list[Row]:
    """Innocent texts that neither training nor calibration has seen."""
    words = sorted(Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab())
    return reported(innocent_validation(data, words, seed))


def kind_of(source: str) -> str:
    """What a source is called in the table."""
    parts = source.split(".")
    return " ".join(parts[1:3]) if parts[1] in {"short", "foreign"} else parts[1]


def report(judged: Judged) -> list[str]:
    """The share of each kind, and of each length, that reaches 0.5."""
    kinds = [kind_of(row.source) for row in judged.rows]
    words = [len(row.text.split()) for row in judged.rows]
    sizes = np.searchsorted(LENGTHS, words, side="right").tolist()
    return [
        *HEAD,
        *(_line(kind, judged, kinds, kind) for kind in sorted(set(kinds))),
        *(_line(_length(size), judged, sizes, size) for size in sorted(set(sizes))),
    ]


def _length(size: int) -> str:
    first = LENGTHS[max(size - 1, 0)]
    return f"{first} to {LENGTHS[size] - 1} words" if size < len(LENGTHS) else f"{first} words on"


def _line(name: str, judged: Judged, groups: Sequence[object], group: object) -> str:
    kept = [at for at, each in enumerate(groups) if each == group]
    shares = dict(zip(judged.labels, (judged.scores[kept] >= 0.5).mean(axis=0), strict=True))
    other = max(share for label, share in shares.items() if label not in SHOWN)
    cells = " | ".join(f"{shares[label]:.1%}" for label in SHOWN)
    return f"| {name} | {len(kept)} | {cells} | {other:.1%} |"
