"""Puts together what the moderation model learns from in one epoch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from training import generate
from training.contrast import introduced, lexicon_rows, mixed, swapped
from training.documents import documents, quoted
from training.holdout import drop_held_out, is_validation
from training.noise import misspell, recase, unaddressed
from training.rows import Row, capped
from training.sources import MODERATION_CAPS

BENIGN = ("self_dialogue", "clinc", "goemotions_pos", "civil_weak_neg", "coconot_contrast")
VALIDATION_CAP = 400
SWAPPED, INTRODUCED, MIXED = 6000, 2500, 9000
DOCUMENTS, QUOTED = 14000, 12000
MISSPELT, RECASED, UNADDRESSED = 0.15, 0.08, 0.5


@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the real rows, and of the generated ones that topics ask for, one epoch takes."""

    real: float = 1.0
    made: float = 0.6


def drawn(rows: Sequence[Row], seed: int, share: float) -> list[Row]:
    """The real rows that one epoch takes: all that we read ourselves, and a share of the others."""
    able = [row for row in rows if not is_validation(row.text)]
    others = capped((row for row in able if not row.read), MODERATION_CAPS, seed)
    return [*(row for row in able if row.read), *others[: round(len(others) * share)]]


def training_mix(
    rows: Sequence[Row], data: Path, seed: int, shares: Shares, hard: Sequence[Row] = ()
) -> list[Row]:
    """Real rows, generated ones, contrast and noise, shuffled; another seed, another epoch.

    All the `hard` rows are in each epoch but those kept for validation: see `mine.py`.
    """
    real = drawn(rows, seed, shares.real)
    made = generate.generate(seed, shares.made)
    benign = [row for row in real if row.source in BENIGN and row.targets.get("harm", 0.0) < 0.5]
    harmful = [row for row in [*real, *made] if row.targets.get("harm", 0.0) >= 0.7]
    safe = [row for row in made if row.targets["harm"] < 0.1]
    extra = [
        *swapped(real, round(SWAPPED * shares.real), seed),
        *introduced(benign, round(INTRODUCED * shares.real), seed),
        *mixed([*benign, *safe[:6000]], harmful, round(MIXED * shares.real), seed),
        *documents(made, round(DOCUMENTS * shares.made), seed),
        *quoted(made, round(QUOTED * shares.made), seed),
        *lexicon_rows(data, seed),
        *(row for row in hard if not is_validation(row.text)),
    ]
    everything = [row for row in drop_held_out([*real, *made, *extra]) if row.text.strip()]
    dice = random.Random(seed)
    dice.shuffle(everything)
    return drop_held_out([disturb(row, dice) for row in everything])


def disturb(row: Row, dice: random.Random) -> Row:
    """A share of the rows misspelt or in another case, and without mentions and links."""
    if ("@" in row.text or "http" in row.text) and dice.random() < UNADDRESSED:
        row = replace(row, text=unaddressed(row.text) or row.text)
    luck = dice.random()
    if luck < MISSPELT:
        return replace(row, text=misspell(row.text, dice))
    if luck < MISSPELT + RECASED:
        return replace(row, text=recase(row.text, dice))
    return row


def validation_mix(rows: Sequence[Row], seed: int) -> list[Row]:
    """Rows of every source that no epoch sees, and texts from templates that none uses."""
    unseen = [row for row in rows if is_validation(row.text)]
    caps = {row.source: VALIDATION_CAP for row in unseen}
    caps |= {name: 0 for name, cap in MODERATION_CAPS.items() if cap == 0}
    made = drop_held_out(generate.generate(seed, 0.06, validation=True))
    longer = [*documents(made, VALIDATION_CAP, seed), *quoted(made, VALIDATION_CAP, seed)]
    return [*capped(unseen, caps, seed), *made, *drop_held_out(longer)]
