"""Calibration finds the truth it is shown, and measures match their definitions."""

import numpy as np
import pytest

from training.calibrate import (
    average_precision,
    balanced,
    calibration_error,
    fit_affine,
    fit_classes,
    roc_area,
    sigmoid,
    threshold_at,
)


def test_slope_and_shift_are_found_again() -> None:
    dice = np.random.default_rng(3)
    logits = dice.normal(0, 2, 20_000)
    targets = (dice.random(20_000) < sigmoid(1.7 * logits - 0.8)).astype(float)
    slope, shift = fit_affine(logits, targets, np.ones(20_000))
    assert slope == pytest.approx(1.7, abs=0.1)
    assert shift == pytest.approx(-0.8, abs=0.1)


def test_a_perfect_head_does_not_run_away() -> None:
    logits = np.concatenate([np.full(50, -9.0), np.full(50, 9.0)])
    targets = (logits > 0).astype(float)
    slope, shift = fit_affine(logits, targets, np.ones(100))
    assert 0.3 <= slope <= 4.0
    assert abs(shift) < 10


def test_balancing_gives_positives_their_share() -> None:
    targets = np.array([1.0, 0.0, 0.0, 0.0])
    weights = balanced(targets, np.ones(4), 0.3)
    assert weights[0] == pytest.approx(0.3)
    assert weights.sum() == pytest.approx(1.0)


def test_one_kind_alone_can_not_be_balanced() -> None:
    assert balanced(np.zeros(3), np.ones(3), 0.3).tolist() == [1.0, 1.0, 1.0]


def test_classes_are_weighed_as_if_as_frequent() -> None:
    dice = np.random.default_rng(3)
    truth = dice.choice(3, 6000, p=[0.1, 0.6, 0.3])
    prior = np.log([0.1, 0.6, 0.3])
    logits = 2.0 * (np.eye(3)[truth] + dice.normal(0, 0.7, (6000, 3))) + prior
    slope, shifts = fit_classes(logits, truth)
    answers = (slope * logits + shifts).argmax(axis=1)
    recalls = [float((answers[truth == n] == n).mean()) for n in range(3)]
    assert max(recalls) - min(recalls) < 0.08


def test_areas_of_a_perfect_and_a_useless_score() -> None:
    truth = np.array([1.0, 1.0, 0.0, 0.0])
    assert average_precision(truth, np.array([0.9, 0.8, 0.2, 0.1])) == 1.0
    assert roc_area(truth, np.array([0.9, 0.8, 0.2, 0.1])) == 1.0
    assert roc_area(truth, np.full(4, 0.5)) == 0.5


def test_areas_of_one_kind_are_no_number() -> None:
    assert np.isnan(roc_area(np.ones(3), np.ones(3)))
    assert np.isnan(average_precision(np.zeros(3), np.ones(3)))


def test_calibration_error_of_honest_and_boastful_scores() -> None:
    truth = np.array([1.0, 0.0] * 50)
    assert calibration_error(truth, np.full(100, 0.5)) == pytest.approx(0.0)
    assert calibration_error(truth, np.full(100, 0.95)) == pytest.approx(0.45)


def test_a_threshold_lets_at_most_its_share_through() -> None:
    scores = np.arange(1000) / 1000
    assert float((scores >= threshold_at(scores, 0.01)).mean()) <= 0.01
    assert float((scores >= threshold_at(scores, 0.0)).mean()) == 0.0
