"""What one label takes from the evidence of others is learnt and never negative."""

import numpy as np

from training.calibrate import fit_blend, sigmoid


def test_useful_evidence_is_used_and_useless_evidence_is_not() -> None:
    dice = np.random.default_rng(5)
    own = dice.normal(0, 1, 8000)
    useful, useless = dice.exponential(1, 8000), dice.exponential(1, 8000)
    targets = (dice.random(8000) < sigmoid(own + 1.5 * useful - 1.0)).astype(float)
    found = fit_blend(own, np.column_stack([useful, useless]), targets, np.ones(8000))
    assert found[1] > 0.8
    assert found[2] < 0.15
    assert found[0] > 0.7


def test_evidence_against_is_ignored() -> None:
    dice = np.random.default_rng(6)
    own, against = dice.normal(0, 1, 4000), dice.exponential(1, 4000)
    targets = (dice.random(4000) < sigmoid(own - 2.0 * against)).astype(float)
    found = fit_blend(own, against[:, None], targets, np.ones(4000))
    assert found[1] == 0.0
