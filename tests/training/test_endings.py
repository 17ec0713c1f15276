"""Calibration and the rules between labels are what the validation rows ask for."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.calibrate import sigmoid
from training.endings import moderation_ending, sentiment_ending
from training.graph import Ending
from training.labels import MODERATION_HEADS, MODERATION_LABELS, SENTIMENT_LABELS
from training.rows import Row

HEADS = len(MODERATION_HEADS)
TOXICITY, THREAT, SPAM, PROFANITY = (
    MODERATION_HEADS.index(name) for name in ("toxicity", "threat", "spam", "profanity")
)


def ending(count: int = 3000, **known: NDArray[np.float64]) -> Ending:
    """What is found for logits that are the same in every head but those of the given rows."""
    dice = np.random.default_rng(1)
    logits = dice.normal(0, 2, (count, HEADS)).astype(np.float32)
    targets = {name: (sigmoid(each) > dice.random(count)) for name, each in known.items()}
    for name, each in known.items():
        logits[:, MODERATION_HEADS.index(name)] = each
    rows = [
        Row(str(n), {name: float(values[n]) for name, values in targets.items()})
        for n in range(count)
    ]
    return moderation_ending(logits, rows)


def logits(count: int, seed: int = 2) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, 2, count)


def test_a_head_is_shifted_to_even_odds_on_its_mix() -> None:
    """Half of the rows are positive; on a mix with three in ten scores are to be lower."""
    found = ending(toxicity=logits(3000), harm=logits(3000, 3))
    assert found.slopes[TOXICITY] == pytest.approx(1.0, abs=0.15)
    assert found.shifts[TOXICITY] == pytest.approx(np.log(3 / 7), abs=0.2)


def test_a_head_with_few_rows_keeps_its_logits() -> None:
    found = ending(30, toxicity=np.full(30, 9.0), harm=logits(30))
    assert (found.slopes[TOXICITY], found.shifts[TOXICITY]) == (1.0, 0.0)
    assert (found.slopes[SPAM], found.shifts[SPAM]) == (1.0, 0.0)


def test_harm_takes_evidence_from_categories_only() -> None:
    dice = np.random.default_rng(4)
    placed = dice.normal(0, 2, (3000, HEADS)).astype(np.float32)
    harmful = (placed[:, THREAT] > 1.0) | (placed[:, SPAM] > 1.0)
    rows = [
        Row(str(n), {"harm": float(yes), "threat": float(yes)}) for n, yes in enumerate(harmful)
    ]
    blend = moderation_ending(placed, rows).blend
    assert blend is not None
    assert blend[THREAT, 0] > 0.3
    assert blend[SPAM, 0] == blend[PROFANITY, 0] == 0.0
    assert (blend[:, 1:] == 0.0).all()
    assert (blend >= 0.0).all()


def test_innocent_texts_do_not_move_the_border_of_harm() -> None:
    dice = np.random.default_rng(6)
    placed = dice.normal(0, 2, (6000, HEADS)).astype(np.float32)
    placed[3000:, 0] = -6.0
    harmful = sigmoid(placed[:, 0].astype(np.float64)) > dice.random(6000)
    rows = [
        Row(str(n), {"harm": float(yes and n < 3000)}, "harmless.short" if n >= 3000 else "")
        for n, yes in enumerate(harmful)
    ]

    def border(count: int) -> float:
        found = moderation_ending(placed[:count], rows[:count])
        return float(-found.shifts[0] / found.slopes[0])

    assert border(6000) == pytest.approx(border(3000), abs=0.1)


def test_rare_harm_counts_for_more_than_its_number() -> None:
    """A hundred insults and nine texts on self-harm: one head tells each of them."""
    dice = np.random.default_rng(5)
    kinds = ["toxicity"] * 900 + ["self_harm"] * 36 + ["none"] * 900
    placed = dice.normal(-3, 0.5, (len(kinds), HEADS)).astype(np.float32)
    for at, kind in enumerate(kinds):
        if kind != "none":
            placed[at, MODERATION_HEADS.index(kind)] = 3.0
    rows = [Row(str(n), {"harm": float(k != "none"), k: 1.0}) for n, k in enumerate(kinds)]
    blend = moderation_ending(placed, rows).blend
    assert blend is not None
    assert blend[MODERATION_HEADS.index("self_harm"), 0] > 0.3


def test_a_narrow_label_has_the_wider_one_as_its_ceiling() -> None:
    found = ending(60, harm=logits(60))
    assert found.ceilings is not None
    assert found.factors is not None
    ceilings = {
        name: MODERATION_LABELS[at]
        for name, at in zip(MODERATION_LABELS, found.ceilings, strict=True)
    }
    assert ceilings["insult"] == "toxicity"
    assert ceilings["hate_threatening"] == "identity_attack"
    assert ceilings["harm"] == "harm"
    minors = MODERATION_LABELS.index("sexual_minors")
    assert found.factors[minors] == MODERATION_LABELS.index("sexual")
    assert {at for n, at in enumerate(found.factors) if n != minors} == {len(MODERATION_LABELS)}


def test_moods_are_weighed_as_if_as_frequent() -> None:
    dice = np.random.default_rng(6)
    truth = dice.choice(3, 6000, p=[0.1, 0.6, 0.3])
    raw = 2.0 * (np.eye(3)[truth] + dice.normal(0, 0.7, (6000, 3))) + np.log([0.1, 0.6, 0.3])
    rows = [
        Row(str(n), dict.fromkeys(SENTIMENT_LABELS, 0.03) | {SENTIMENT_LABELS[at]: 0.94})
        for n, at in enumerate(truth)
    ]
    found = sentiment_ending(raw.astype(np.float32), rows)
    answers = (raw * found.slopes + found.shifts).argmax(axis=1)
    recalls = [float((answers[truth == n] == n).mean()) for n in range(3)]
    assert found.exclusive
    assert len(set(found.slopes.tolist())) == 1
    assert max(recalls) - min(recalls) < 0.08
