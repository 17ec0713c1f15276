"""What is assumed of heads that a set does not speak of: that they apply as seldom as was found.

Who abuses somebody seldom does all else that is harmful, but a model that knows a rare head from
texts about nothing else takes any abuse for it: where guard-mini 1.5.0 gave a text of these sets
0.6 or more on `sexual`, `threat`, `violence` or `self_harm`, of which the set says nothing, the
reader of `reread.py` agreed with one in ten or fewer. The shares below are those of texts that were
read at random. They count little, so that a text that was read outweighs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.fit import Encoded
from training.labels import MODERATION_HEADS
from training.rows import Row

SHARES = {
    "threat": 0.006, "harassment_threatening": 0.0016, "hate_threatening": 0.0024, "sexual": 0.018,
    "self_harm": 0.0025, "self_harm_intent": 0.0001, "self_harm_instructions": 0.0002,
    "violence": 0.013, "violence_graphic": 0.0007, "illicit": 0.01, "illicit_violent": 0.001,
    "spam": 0.003,
}  # fmt: skip
PEOPLE = frozenset(
    {
        "civil_toxic_spans", "civil_weak_neg", "convabuse", "davidson", "eacl_misogyny", "edos",
        "fox_news", "goemotions_pos", "hatemoji", "hateval", "jigsaw_5k", "jigsaw_detox", "olid",
        "self_dialogue", "surge_toxicity", "toxigen_demos",
    }
)  # fmt: skip
"""Sets of what people said to each other; requests to assistants have other shares."""


def assumed(data: Encoded, rows: Sequence[Row], weight: float) -> Encoded:
    """The same texts; unknown rare heads of what people said have a share for a target."""
    people = np.array([row.source.removeprefix("swapped.") in PEOPLE for row in rows])[:, None]
    shares = np.array([SHARES.get(head, np.nan) for head in MODERATION_HEADS], dtype=np.float32)
    filled = people & ~np.isnan(shares) & (data.weights == 0.0)
    return replace(
        data,
        targets=np.where(filled, shares, data.targets),
        weights=np.where(filled, np.float32(weight), data.weights),
    )
