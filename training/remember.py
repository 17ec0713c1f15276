"""What a model said before it learns on, so that it forgets little: it is its own teacher.

Z. Li and D. Hoiem, "Learning without Forgetting" (2016).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.encoder import Network
from training.fit import Encoded, predict
from training.teacher import advised

SHORTEST = 7
"""Tokens, both end marks counted, under which the old opinion is not asked for: a bare word is
what it was wrong about."""


def remembered(data: Encoded, old: Network, *, bfloat16: bool = False) -> Encoded:
    """The same texts, with targets between the labels and the old model's opinion."""
    told = advised(data, predict(old, data.tokens, bfloat16))
    long = np.array([len(tokens) >= SHORTEST for tokens in data.tokens])[:, None]
    return replace(
        data,
        targets=np.where(long, told.targets, data.targets),
        weights=np.where(long, told.weights, data.weights),
    )


def together(first: Encoded, second: Encoded) -> Encoded:
    """The texts of both."""
    return Encoded(
        [*first.tokens, *second.tokens],
        np.concatenate([first.targets, second.targets]),
        np.concatenate([first.weights, second.weights]),
    )
