"""Sentences written by hand, never trained on: the check that templates can't give."""

from __future__ import annotations

from pathlib import Path

from training.generate import parse
from training.rows import Row

FILE = Path(__file__).with_name("handwritten.txt")


def handwritten() -> list[Row]:
    """Every sentence with the heads that its topic names; a safe one has no targets."""
    topics = parse(FILE.read_text(encoding="utf-8"))
    return [Row(text, topic.targets, topic.name) for topic in topics for text in topic.templates]
