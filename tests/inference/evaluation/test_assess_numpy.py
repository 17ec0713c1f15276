"""Figures of a label with their intervals."""

import numpy as np
import pytest

from inference.evaluation.assess_numpy import MAX_POINTS, STEPS, assess, resampled
from inference.evaluation.figures import LabelFigures, Measure, Method
from inference.evaluation.measures_numpy import rank

SHARES = [1.0, 1, 1, 0, 0, 0, 0, 0] * 20
SCORES = [0.9, 0.8, 0.2, 0.7, 0.1, 0.3, 0.2, 0.0] * 20


def assessed(method: Method) -> LabelFigures:
    found = assess("threat", SHARES, SCORES, method)
    assert found is not None
    return found


def test_a_label_of_one_class_has_no_figures() -> None:
    assert assess("threat", [0.0, 0.0], [0.1, 0.9], Method()) is None
    assert assess("threat", [1.0, 1.0], [0.1, 0.9], Method()) is None
    assert assess("threat", [], [], Method()) is None


def test_every_interval_holds_its_value_and_has_a_width() -> None:
    for measure, figure in assessed(Method()).figures.items():
        assert figure.value is not None
        assert figure.low is not None
        assert figure.high is not None
        if measure is not Measure.CALIBRATION_ERROR:
            assert figure.low < figure.value < figure.high


def test_the_same_seed_gives_the_same_intervals() -> None:
    assert assessed(Method(seed=3)) == assessed(Method(seed=3))
    assert assessed(Method(seed=3)) != assessed(Method(seed=4))


def test_no_resamples_give_no_intervals() -> None:
    figure = assessed(Method(resamples=0)).figures[Measure.AUPRC]

    assert figure.value is not None
    assert figure.low is figure.high is None


def test_precision_that_is_undefined_stays_so() -> None:
    found = assess("threat", [1.0, 0.0], [0.4, 0.1], Method(threshold=0.9))

    assert found is not None
    assert found.figures[Measure.PRECISION].value is None


def test_a_resample_has_as_many_of_each_class() -> None:
    rows = rank(SHARES, SCORES)

    weights = np.concatenate(list(resampled(rows, Method(resamples=50))))

    assert weights.shape == (50, len(SHARES))
    assert set(weights[:, rows.positive].sum(axis=1)) == {60.0}
    assert set(weights[:, ~rows.positive].sum(axis=1)) == {100.0}


def test_large_data_is_resampled_in_parts_that_fit_into_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("inference.evaluation.assess_numpy.CELLS", 500)

    parts = [len(each) for each in resampled(rank(SHARES, SCORES), Method(resamples=10))]

    assert parts == [3, 3, 3, 1]


def test_curves_end_where_everything_is_flagged() -> None:
    curves = assessed(Method()).curves

    assert curves.precision_recall[-1] == (1.0, 3 / 8)
    assert (curves.roc[0], curves.roc[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert sum(each.rows for each in curves.reliability) == len(SHARES)
    assert (sum(curves.positives), sum(curves.negatives)) == (60, 100)
    assert len(curves.positives) == len(curves.negatives) == STEPS


def test_a_long_curve_is_thinned() -> None:
    scores = [number / 1000 for number in range(1000)]

    found = assess(
        "threat", [float(number % 3 == 0) for number in range(1000)], scores, Method(0.5, 0)
    )

    assert found is not None
    assert len(found.curves.precision_recall) == MAX_POINTS
    assert found.curves.precision_recall[-1][0] == 1.0
