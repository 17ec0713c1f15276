"""The tables of the cards say what the scores say."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from tests.training.judging import judged
from training import evaluate
from training.holdout import is_calibration
from training.rows import Row
from training.validation import VALIDATION, write_rows

TEXTS = [Row(f"text number {n}", {"harm": float(n % 2)}, "x") for n in range(40)]


def asked(run: Path | None) -> argparse.Namespace:
    return argparse.Namespace(run=run)


def test_texts_come_from_the_run_or_are_made_again(tmp_path: Path) -> None:
    write_rows(tmp_path / VALIDATION, TEXTS[:20])
    of_run = evaluate.validation_rows(asked(tmp_path), lambda _: TEXTS)
    again = evaluate.validation_rows(asked(None), lambda _: TEXTS)
    assert of_run == [row for row in TEXTS[:20] if not is_calibration(row.text)]
    assert again == [row for row in TEXTS if not is_calibration(row.text)]


def test_no_run_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["evaluate", "--data", "d", "--folder", "f"])
    found = evaluate.arguments()
    assert (found.run, found.seed, found.speed) == (None, 71, False)


def test_a_label_has_its_counts_and_figures() -> None:
    rows = [Row("a", {"harm": 1.0}), Row("b", {"harm": 0.0}), Row("c", {"harm": 0.0}), Row("d")]
    found = judged(rows, [{"harm": 0.9}, {"harm": 0.6}, {"harm": 0.1}, {"harm": 0.9}])
    lines = evaluate.table(found.rows, found.scores)
    assert lines[2:] == ["| harm | 1 | 2 | 1.000 | 1.000 | 0.267 | 0.500 | 1.000 |"]


def test_topics_of_ours_are_put_together() -> None:
    rows = [
        Row("a", {"harm": 1.0}, "generated.hate.threat"),
        Row("b", {"harm": 1.0}, "generated.hate.short"),
        Row("c", {"harm": 0.0}, "generated.wgroup.proud"),
        Row("d", {"harm": 0.0}, "edos"),
        Row("e", {}, "edos"),
    ]
    found = judged(rows, [{"harm": 0.5}, {}, {"harm": 0.5}, {}, {}])
    assert evaluate.by_source(found.rows, found.scores)[2:] == [
        "| edos | – | 0/1 |",
        "| generated.hate | 1/2 | – |",
        "| written one by one | – | 1/1 |",
    ]


def test_thresholds_are_found_on_one_half_and_told_of_the_other() -> None:
    rows = [Row(f"message {n}", {}, "sgd") for n in range(2000)]
    own = np.array([is_calibration(row.text) for row in rows])
    scores = judged(rows, [{"harm": 0.2 if mine else 0.9} for mine in own]).scores
    lines = evaluate.chat_report(rows, scores)
    cells = [cell.strip() for cell in lines[2].split("|")]
    assert cells[1:5] == ["harm", "100.00%", "0.20", "100.00%"]


def test_harmless_messages_are_counted_by_where_they_come_from() -> None:
    rows = [Row("a", {}, "sgd"), Row("b", {}, "sgd"), Row("c", {}, "clinc")]
    scores = judged(rows, [{"harm": 0.75}, {}, {"harm": 0.5}]).scores
    assert evaluate.by_messages(rows, scores)[2:] == [
        "| clinc | 1 | 100.00% | 0.00% | 0.00% |",
        "| sgd | 2 | 50.00% | 50.00% | 0.00% |",
    ]


def test_a_flag_is_right_as_often_as_rates_say() -> None:
    assert evaluate.natural_precision(0.8, 0.01, 1000, 0.5) == pytest.approx(0.8 / 0.81)
    assert evaluate.natural_precision(0.83, 0.0083, 9664, 0.01) == pytest.approx(0.503, abs=0.001)


def test_a_label_that_flagged_nothing_may_flag_the_next_message() -> None:
    assert evaluate.natural_precision(0.5, 0.0, 1000, 0.01) == pytest.approx(0.005 / 0.00599)
