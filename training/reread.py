"""What we found when public texts were read one by one, beside what their sets say of them.

A set labels what it was made for; of the other heads it says nothing, or a rule says it of all its
texts alike. `reread/` has our own reading of some of its texts by the definitions of
`labelled/README.md`. A line is a fingerprint (see `holdout.py`) and the labels that apply; a label
with a question mark is unclear. It holds no text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from training.holdout import fingerprint, is_validation
from training.labels import HARMLESS, MODERATION_HEADS
from training.rows import Row

FOLDER = Path(__file__).with_name("reread")
READ = tuple(head for head in MODERATION_HEADS if head not in {"harm", "minor"})
"""What a reader says of a text; `harm` follows from it, and `minor` from a rule."""

JUDGED: Mapping[str, frozenset[str]] = {
    "civil_toxic_spans": frozenset({"toxicity", "insult"}),
    "convabuse": frozenset({"toxicity", "sexual", "identity_attack"}),
    "davidson": frozenset({"identity_attack"}),
    "eacl_misogyny": frozenset({"identity_attack"}),
    "edos": frozenset({"identity_attack"}),
    "fox_news": frozenset({"identity_attack"}),
    "hatemoji": frozenset({"identity_attack"}),
    "hateval": frozenset({"identity_attack"}),
    "jigsaw_5k": frozenset({"toxicity"}),
    "jigsaw_detox": frozenset({"toxicity"}),
    "olid": frozenset({"toxicity"}),
    "sms": frozenset({"spam"}),
    "surge_toxicity": frozenset({"toxicity"}),
    "toxigen_demos": frozenset({"toxicity", "identity_attack"}),
}
"""The heads of which the people who made a set judged each text."""
CROWD = frozenset({"toxicity"})
"""Heads that mean what most people think: a single reader settles nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The labels that apply to one text, and those of which the reader was not sure."""

    applies: frozenset[str]
    unclear: frozenset[str]


@cache
def readings(folder: Path = FOLDER) -> Mapping[str, Reading]:
    """Fingerprints to readings. Raises ValueError, naming the line, for one that is malformed."""
    return dict(
        _parse(line, f"{path.name}:{number}")
        for path in sorted(folder.glob("*.txt"))
        for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1)
    )


def _parse(line: str, place: str) -> tuple[str, Reading]:
    mark, *labels = line.split()
    unclear = frozenset(label[1:] for label in labels if label.startswith("?"))
    applies = frozenset(label for label in labels if not label.startswith("?"))
    if len(mark) != 16 or not (applies | unclear) <= set(READ):
        raise ValueError(f"{place} is no fingerprint with labels: {line}")
    return mark, Reading(applies, unclear)


def reread(row: Row, known: Mapping[str, Reading] | None = None) -> Row:
    """The row as we read it, if we did; else as it is.

    What people judged of each text of a set is kept where the reader says the same. Where the two
    differ the head is unknown in training, unless it is the crowd's; in validation the set is
    right.
    """
    reading = (readings() if known is None else known).get(fingerprint(row.text))
    if reading is None:
        return row
    ours = {head: float(head in reading.applies) for head in READ if head not in reading.unclear}
    judged = {
        head: row.targets[head]
        for head in JUDGED.get(row.source, frozenset()) & set(row.targets)
        if head not in ours or _kept(row, head) or _alike(row.targets[head], ours[head])
    }
    disputed = JUDGED.get(row.source, frozenset()) & set(row.targets) - set(judged)
    targets = {head: value for head, value in ours.items() if head not in disputed} | judged
    targets["minor"] = row.targets.get("minor", 0.0)
    harm = _harm(row, reading, targets)
    return replace(row, targets=targets | harm, weight=1.0, read=True)


def _kept(row: Row, head: str) -> bool:
    return head in CROWD or is_validation(row.text)


def _alike(theirs: float, ours: float) -> bool:
    return (theirs >= 0.5) == (ours >= 0.5)


def _harm(row: Row, reading: Reading, targets: Mapping[str, float]) -> dict[str, float]:
    """Any category makes harm. It is unknown where the reader and the set differ on it, and where
    a category is unknown that could make it."""
    worst = max(value for head, value in targets.items() if head not in HARMLESS)
    found = float(bool(reading.applies - HARMLESS))
    if worst >= 0.5 and (found or is_validation(row.text)):
        return {"harm": worst}
    if worst >= 0.5 or found or set(READ) - HARMLESS - set(targets):
        return {}
    return {"harm": 0.0}


def only_read(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows of sets that label nothing of ours, if we read them."""
    return (found for found in map(reread, rows) if found.read)
