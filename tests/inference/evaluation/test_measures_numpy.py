"""Measures of a label, against values worked out by hand and laws that must hold."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.evaluation import measures_numpy as measures
from inference.evaluation.figures import Measure
from inference.evaluation.measures_numpy import Floats, Ranked, rank

Rows = list[tuple[bool, float]]

scores = st.integers(0, 1000).map(lambda n: n / 1000)
both_classes = st.lists(st.tuples(st.booleans(), scores), min_size=2, max_size=60).filter(
    lambda rows: 0 < sum(said for said, _ in rows) < len(rows)
)


def value(
    measure: Callable[[Ranked, Floats], Floats], shares: Sequence[float], given: Sequence[float]
) -> float:
    rows = rank(shares, given)
    return float(measure(rows, rows.ones)[0])


def at(
    threshold: float, measure: Measure, shares: Sequence[float], given: Sequence[float]
) -> float:
    return value(measures.measures_at(threshold)[measure], shares, given)


def area(rows: Rows) -> float:
    return value(measures.roc_area, [said for said, _ in rows], [score for _, score in rows])


def test_average_precision_is_the_mean_precision_at_each_positive() -> None:
    # Positives come first, third and fourth: 1/1, 2/3 and 3/4.
    found = value(measures.average_precision, [1, 0, 1, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.1])

    assert found == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_average_precision_takes_equal_scores_together() -> None:
    # All four are flagged at once: precision 1/2 at recall 1.
    assert value(measures.average_precision, [1, 0, 1, 0], [0.5] * 4) == pytest.approx(0.5)
    # First one positive alone, then a positive and a negative together.
    assert value(measures.average_precision, [1, 0, 1], [0.9, 0.4, 0.4]) == pytest.approx(
        0.5 * 1 + 0.5 * 2 / 3
    )


def test_the_roc_area_counts_pairs_in_the_right_order() -> None:
    # Of six pairs five are right.
    assert value(measures.roc_area, [1, 0, 1, 0, 0], [0.9, 0.8, 0.85, 0.1, 0.2]) == 1.0
    assert value(measures.roc_area, [1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.1, 0.2]) == pytest.approx(
        5 / 6
    )


def test_the_roc_area_counts_equal_scores_half() -> None:
    assert value(measures.roc_area, [1, 0], [0.3, 0.3]) == 0.5
    # Pairs: right, equal, wrong, right.
    assert value(measures.roc_area, [1, 0, 1, 0], [0.9, 0.5, 0.5, 0.4]) == pytest.approx(3.5 / 4)


def test_the_calibration_error_weighs_bins_by_their_rows() -> None:
    # Bin 0.8: mean score 0.85, share 1/2, two rows; bin 0.1: mean score 0.1, share 0, two rows.
    found = value(measures.calibration_error, [1, 0, 0, 0], [0.8, 0.89, 0.1, 0.1])

    assert found == pytest.approx(0.5 * abs(0.845 - 0.5) + 0.5 * 0.1)


def test_a_score_of_one_is_in_the_last_bin() -> None:
    assert value(measures.calibration_error, [1, 0], [1.0, 0.0]) == 0.0
    assert list(measures.bins_of(np.array([0.0, 0.09, 0.1, 0.95, 1.0]), 10)) == [0, 0, 1, 9, 9]


def test_the_brier_score_is_the_mean_square_of_misses() -> None:
    found = value(measures.brier, [1, 0, 0.5], [0.8, 0.4, 0.5])

    assert found == pytest.approx((0.04 + 0.16 + 0.0) / 3)


def test_measures_at_a_threshold_include_the_threshold_itself() -> None:
    shares, given = [1, 1, 1, 0, 0, 0, 0], [0.9, 0.5, 0.2, 0.7, 0.4, 0.3, 0.1]

    assert at(0.5, Measure.RECALL, shares, given) == pytest.approx(2 / 3)
    assert at(0.5, Measure.FALSE_POSITIVE_RATE, shares, given) == pytest.approx(1 / 4)
    assert at(0.5, Measure.PRECISION, shares, given) == pytest.approx(2 / 3)
    assert at(0.5, Measure.F1, shares, given) == pytest.approx(2 / 3)
    assert at(0.7, Measure.RECALL, shares, given) == pytest.approx(1 / 3)


def test_precision_is_undefined_where_nothing_is_flagged() -> None:
    assert math.isnan(at(0.5, Measure.PRECISION, [1, 0], [0.4, 0.1]))
    assert at(0.5, Measure.F1, [1, 0], [0.4, 0.1]) == 0.0


@pytest.mark.parametrize("said", [0, 1])
def test_areas_are_undefined_with_one_class_alone(said: int) -> None:
    assert math.isnan(value(measures.roc_area, [said] * 3, [0.1, 0.5, 0.9]))
    if not said:
        assert math.isnan(value(measures.average_precision, [said] * 3, [0.1, 0.5, 0.9]))


def test_half_of_the_people_make_a_positive() -> None:
    assert value(measures.roc_area, [0.5, 0.49], [0.9, 0.1]) == 1.0


def test_weights_count_rows_as_often_as_they_say() -> None:
    shares, given = [1, 0, 1, 0], [0.9, 0.8, 0.3, 0.2]
    rows = rank(shares, given)
    drawn = np.array([[2.0, 1, 0, 3], [1, 1, 1, 1]])
    repeated = rank([1, 1, 0, 0, 0, 0], [0.9, 0.9, 0.8, 0.2, 0.2, 0.2])

    for measure in measures.measures_at(0.5).values():
        together = measure(rows, drawn)
        assert together[0] == pytest.approx(measure(repeated, repeated.ones)[0])
        assert together[1] == pytest.approx(measure(rows, rows.ones)[0])


@given(both_classes)
def test_a_perfect_ranking_has_areas_of_one(rows: Rows) -> None:
    shares = [float(said) for said, _ in rows]
    perfect = [0.5 + score / 2 + 0.001 if said else score / 2 for said, score in rows]

    assert value(measures.roc_area, shares, perfect) == pytest.approx(1.0)
    assert value(measures.average_precision, shares, perfect) == pytest.approx(1.0)


@given(both_classes)
def test_the_roc_area_is_symmetric(rows: Rows) -> None:
    other_class = [(not said, score) for said, score in rows]
    other_way = [(said, 1 - score) for said, score in rows]

    assert area(rows) + area(other_class) == pytest.approx(1.0)
    assert area(rows) + area(other_way) == pytest.approx(1.0)


@given(both_classes)
def test_areas_do_not_change_under_a_monotone_map(rows: Rows) -> None:
    shares, given = [float(said) for said, _ in rows], [score for _, score in rows]
    mapped = [(score**3 + score) / 2 for score in given]

    for measure in (measures.roc_area, measures.average_precision):
        assert value(measure, shares, mapped) == pytest.approx(value(measure, shares, given))


@given(both_classes, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: Rows, dice: object) -> None:
    shuffled = list(rows)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]

    for measure in measures.measures_at(0.5).values():
        first, second = (
            value(measure, [said for said, _ in each], [score for _, score in each])
            for each in (rows, shuffled)
        )
        assert first == pytest.approx(second, nan_ok=True)


@given(both_classes)
def test_the_roc_area_is_the_share_of_pairs_in_order(rows: Rows) -> None:
    above = [score for said, score in rows if said]
    below = [score for said, score in rows if not said]
    pairs = [(high > low) + (high == low) / 2 for high in above for low in below]

    assert area(rows) == pytest.approx(sum(pairs) / len(pairs))
