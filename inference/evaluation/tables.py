"""An evaluation in words and numbers: as a table on a terminal, and as plain values for JSON."""

from collections.abc import Sequence
from typing import Any

from inference.evaluation.figures import TITLES, Evaluation, Figure, LabelFigures, Measure

MISSING = "–"
INTERVALS = (
    "95 % intervals by stratified bootstrap: as many positives and as many negatives as there "
    "are, drawn with replacement"
)


def number(value: float | None) -> str:
    """Three digits after the point, or a dash for what is not defined."""
    return MISSING if value is None else f"{value:.3f}"


def interval(figure: Figure) -> str:
    """The interval as `0.912–0.934`, or nothing where there is none."""
    if figure.low is None:
        return ""
    return f"{number(figure.low)}–{number(figure.high)}"


def method(evaluation: Evaluation) -> str:
    """How the figures came about, in a sentence or two."""
    how = (
        f"{INTERVALS}, {evaluation.method.resamples:,} times (seed {evaluation.method.seed})."
        if evaluation.method.resamples
        else "No intervals were asked for."
    )
    return f"FPR, recall, precision and F1 at {evaluation.method.threshold:g}. {how}"


def notes(evaluation: Evaluation) -> list[str]:
    """What was left out, and why."""
    found = []
    if evaluation.bad_lines:
        found.append(f"Lines that were not valid and are left out: {evaluation.bad_lines:,}.")
    if evaluation.one_sided:
        labels = _with_rows(evaluation.one_sided.items())
        found.append(f"Left out, for they lack positives or negatives: {labels}.")
    if evaluation.unknown:
        labels = _with_rows(evaluation.unknown.items())
        found.append(f"Not scored by {evaluation.plugin}: {labels}.")
    return found


def as_text(evaluation: Evaluation) -> str:
    """A table for a terminal: each label takes two lines, its figures and their intervals."""
    head = ["label", "rows", "positives", *TITLES.values()]
    lines = [_line(head)]
    for found in evaluation.labels:
        lines.append(_line([found.label, *_counts(found), *_values(found)]))
        if evaluation.method.resamples:
            lines.append(_line(["", "", "", *_intervals(found)]).rstrip())
    title = f"{evaluation.model} on {evaluation.rows:,} rows of {evaluation.data}"
    return "\n".join([title, "", *lines, "", method(evaluation), *notes(evaluation)])


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Plain values: everything but the curves."""
    return {
        "plugin": evaluation.plugin,
        "model": evaluation.model,
        "data": evaluation.data,
        "rows": evaluation.rows,
        "bad_lines": evaluation.bad_lines,
        "threshold": evaluation.method.threshold,
        "bootstrap": {
            "resamples": evaluation.method.resamples,
            "seed": evaluation.method.seed,
            "stratified": True,
            "interval": 0.95,
        },
        "labels": {found.label: _label_json(found) for found in evaluation.labels},
        "one_sided": dict(evaluation.one_sided),
        "unknown": dict(evaluation.unknown),
    }


def _label_json(found: LabelFigures) -> dict[str, Any]:
    figures = {
        str(measure): {"value": each.value, "low": each.low, "high": each.high}
        for measure, each in found.figures.items()
    }
    return {"rows": found.rows, "positives": found.positives, **figures}


def _counts(found: LabelFigures) -> list[str]:
    return [f"{found.rows:,}", f"{found.positives:,}"]


def _values(found: LabelFigures) -> list[str]:
    return [number(found.figures[measure].value) for measure in Measure]


def _intervals(found: LabelFigures) -> list[str]:
    return [interval(found.figures[measure]) for measure in Measure]


def _line(cells: Sequence[str]) -> str:
    first, rows, positives, *rest = cells
    return f"{first:24}{rows:>9}{positives:>11}" + "".join(f"{each:>13}" for each in rest)


def _with_rows(counted: Any) -> str:
    return ", ".join(f"{label} ({rows:,} rows)" for label, rows in counted)
