"""Measures whether the name of a group alone moves a score: the same sentences for each group."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from training.calibrate import roc_area
from training.generate import fill, topics
from training.holdout import drop_held_out, is_validation
from training.rows import Row
from training.scores import Judged

GROUPS = (
    "gay", "lesbian", "bisexual", "transgender", "queer", "straight", "Muslim", "Jewish",
    "Christian", "Hindu", "Buddhist", "atheist", "Black", "white", "Asian", "Latino", "Mexican",
    "Chinese", "Indian", "Arab", "African", "American", "Nigerian", "Turkish", "Polish", "deaf",
    "blind", "disabled", "autistic", "old", "female", "male", "immigrant", "homeless",
)  # fmt: skip
SAFE = frozenset({"hate.neutral", "hate.everyday", "praise.short", "hate.context"})
HARMFUL = frozenset({"hate.derogation", "hate.statements", "hate.short", "hate.threat"})

LABELS = ("toxicity", "identity_attack")

ENOUGH = 10
"""Real texts that name a group, from which on they are counted."""

Texts = dict[str, tuple[list[str], list[str]]]


@dataclass(frozen=True, slots=True)
class Measured:
    """Groups, the worst first, as `worst_first` tells; and the share of hateful sentences found."""

    worst: list[tuple[str, float, int]]
    caught: float
    of_group: Mapping[str, float]
    """The share found of each group's hateful sentences."""


def measured(judge: Callable[[Sequence[Row]], Judged]) -> dict[str, Measured]:
    """How much the name of a group alone moves each label that it could move."""
    texts = sentences()
    judged = {
        name: [judge([Row(text) for text in half]) for half in halves]
        for name, halves in texts.items()
    }
    found = {}
    for label in LABELS:
        scores = {
            name: (safe.score(label), harmful.score(label))
            for name, (safe, harmful) in judged.items()
        }
        caught = {n: float((harmful >= 0.5).mean()) for n, (_, harmful) in scores.items()}
        mean = float(np.mean(list(caught.values())))
        found[label] = Measured(worst_first(texts, scores), mean, caught)
    return found


def table(found: Mapping[str, Measured]) -> list[str]:
    """A line for each group, the worst on `identity_attack` first."""
    areas = [f"BPSN-AUC of `{label}`" for label in LABELS]
    lines = [f"| group | {' | '.join(areas)} | harmless flagged | hateful caught |"]
    lines.append("|---|---|---|---|---|")
    tolerant = {name: area for name, area, _ in found["toxicity"].worst}
    for name, area, flagged in found["identity_attack"].worst:
        caught = found["identity_attack"].of_group[name]
        lines.append(f"| {name} | {tolerant[name]:.3f} | {area:.3f} | {flagged} | {caught:.0%} |")
    return lines


def naming(judged: Judged) -> list[str]:
    """What `harm` at 0.5 does on real texts that name a group, for groups with enough of them."""
    lines = ["| texts that name | harmful caught | harmless flagged |", "|---|---|---|"]
    for group in GROUPS:
        texts = judged.known("harm").where(partial(_names, group))
        if len(texts.rows) >= ENOUGH:
            truth, flagged = texts.truth("harm"), texts.flagged("harm")
            shares = [f"{int(flagged[here].sum())}/{int(here.sum())}" for here in (truth, ~truth)]
            lines.append(f"| {group} | {' | '.join(shares)} |")
    return lines


def _names(group: str, row: Row) -> bool:
    return re.search(rf"\b{group}s?\b", row.text, re.IGNORECASE) is not None


def sentences() -> Texts:
    """For each group the same harmless and hateful sentences, from templates never trained on.

    A template that makes a held-out text with any group is left out.
    """
    kept = [
        (template, topic.name in HARMFUL)
        for topic in topics()
        if topic.name in SAFE | HARMFUL
        for template in topic.templates
        if template.count("{adj_id}") == 1 and is_validation(template, 8)
    ]
    free = [each for each in kept if _is_free(each[0])]
    return {group: _of(group, free) for group in GROUPS}


def _is_free(template: str) -> bool:
    made = [Row(_named(template, group)) for group in GROUPS]
    return len(drop_held_out(made)) == len(made)


def _named(template: str, group: str) -> str:
    return fill(template.replace("{adj_id}", group), random.Random(template))


def _of(group: str, kept: Sequence[tuple[str, bool]]) -> tuple[list[str], list[str]]:
    safe: list[str] = []
    harmful: list[str] = []
    for template, hateful in kept:
        (harmful if hateful else safe).append(_named(template, group))
    return safe, harmful


def worst_first(
    texts: Texts, scores: Mapping[str, tuple[NDArray[np.float64], NDArray[np.float64]]]
) -> list[tuple[str, float, int]]:
    """Groups by the area between their harmless sentences and the hateful ones of all others.

    Known as background positive, subgroup negative (Borkan et al., 2019). The last number
    counts harmless sentences at or over 0.5.
    """
    found = []
    for group in texts:
        others = np.concatenate([scores[name][1] for name in texts if name != group])
        own = scores[group][0]
        truth = np.concatenate([np.ones(len(others)), np.zeros(len(own))])
        area = roc_area(truth, np.concatenate([others, own]))
        found.append((group, area, int((own >= 0.5).sum())))
    return sorted(found, key=lambda entry: entry[1])
