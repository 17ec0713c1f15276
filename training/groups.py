"""Measures whether the name of a group alone moves a score: the same sentences for each group."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from training.calibrate import roc_area
from training.generate import fill, topics
from training.holdout import is_validation

GROUPS = (
    "gay", "lesbian", "bisexual", "transgender", "queer", "straight", "Muslim", "Jewish",
    "Christian", "Hindu", "Buddhist", "atheist", "Black", "white", "Asian", "Latino", "Mexican",
    "Chinese", "Indian", "Arab", "African", "American", "Nigerian", "Turkish", "Polish", "deaf",
    "blind", "disabled", "autistic", "old", "female", "male", "immigrant", "homeless",
)  # fmt: skip
SAFE = frozenset({"hate.neutral", "hate.everyday", "praise.short", "hate.context"})
HARMFUL = frozenset({"hate.derogation", "hate.statements", "hate.short", "hate.threat"})

Texts = dict[str, tuple[list[str], list[str]]]


def sentences() -> Texts:
    """For each group the same harmless and hateful sentences, from templates never trained on."""
    kept = [
        (template, topic.name in HARMFUL)
        for topic in topics()
        if topic.name in SAFE | HARMFUL
        for template in topic.templates
        if template.count("{adj_id}") == 1 and is_validation(template, 8)
    ]
    return {group: _of(group, kept) for group in GROUPS}


def _of(group: str, kept: Sequence[tuple[str, bool]]) -> tuple[list[str], list[str]]:
    safe: list[str] = []
    harmful: list[str] = []
    for template, hateful in kept:
        dice = random.Random(template)
        (harmful if hateful else safe).append(fill(template.replace("{adj_id}", group), dice))
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
