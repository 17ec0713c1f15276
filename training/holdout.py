"""Keeps the texts on which finished models are judged out of training."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

LIST = Path(__file__).with_name("holdout_hashes.txt.gz")
_NOISE = re.compile(r"http\S+|@\w+|\burl\b|\bhttp\b|\[user\]|\[url\]")
_NON_WORD = re.compile(r"\W")


class HasText(Protocol):
    """Anything with a text."""

    @property
    def text(self) -> str: ...


Row = TypeVar("Row", bound=HasText)


def key(text: str) -> str:
    """The text as compared: lower-case, without links, mentions and non-word characters."""
    return _NON_WORD.sub("", _NOISE.sub("", text.lower()))


def fingerprint(text: str) -> str:
    """The first 16 hexadecimal digits of the SHA-1 of the key."""
    digest = hashlib.sha1(key(text).encode("utf-8", "replace"), usedforsecurity=False)
    return digest.hexdigest()[:16]


@cache
def held_out(path: Path = LIST) -> frozenset[str]:
    """Fingerprints of every held-out text."""
    with gzip.open(path, "rt", encoding="ascii") as lines:
        return frozenset(line.strip() for line in lines)


def drop_held_out(rows: Iterable[Row], hashes: frozenset[str] | None = None) -> list[Row]:
    """The rows whose text is not held out."""
    known = held_out() if hashes is None else hashes
    return [row for row in rows if fingerprint(row.text) not in known]


def assert_none_held_out(rows: Iterable[HasText], hashes: frozenset[str] | None = None) -> None:
    """Stop a training run that would see a held-out text."""
    known = held_out() if hashes is None else hashes
    seen = sum(fingerprint(row.text) in known for row in rows)
    if seen:
        raise AssertionError(f"{seen} held-out texts reached the training set")


def is_validation(text: str, share: int = 20) -> bool:
    """Whether a text belongs to the validation split: one in `share`, by its fingerprint."""
    return int(fingerprint(text), 16) % share == 0


def is_calibration(text: str) -> bool:
    """Whether a validation text serves calibration; the other half serves the figures."""
    return int(fingerprint(text), 16) // 20 % 2 == 0
