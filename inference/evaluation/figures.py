"""The values that an evaluation gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What is measured of a label, in the order of the table."""

    AUPRC = "auprc"
    ROC_AUC = "roc_auc"
    CALIBRATION_ERROR = "calibration_error"
    BRIER = "brier"
    FALSE_POSITIVE_RATE = "false_positive_rate"
    RECALL = "recall"
    PRECISION = "precision"
    F1 = "f1"


TITLES = {
    Measure.AUPRC: "AUPRC",
    Measure.ROC_AUC: "ROC-AUC",
    Measure.CALIBRATION_ERROR: "ECE",
    Measure.BRIER: "Brier",
    Measure.FALSE_POSITIVE_RATE: "FPR",
    Measure.RECALL: "recall",
    Measure.PRECISION: "precision",
    Measure.F1: "F1",
}
"""How the measures are called in tables."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measure's value, and the interval that holds 95 % of its resampled values.

    All three are None where the measure is not defined, such as precision where nothing is
    flagged; `low` and `high` also where nothing was resampled.
    """

    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """How figures come about: from which score on a text is flagged, and how many resamples."""

    threshold: float = 0.5
    resamples: int = 1000
    seed: int = 0


Point = tuple[float, float]
"""Across and up, both in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows with scores close together: their mean score, the share of positives, how many."""

    score: float
    share: float
    rows: int


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of a label. The curves run from the highest score to the lowest.

    `negatives` and `positives` count rows by score, in steps of equal width.
    """

    precision_recall: tuple[Point, ...]
    roc: tuple[Point, ...]
    reliability: tuple[Bin, ...]
    negatives: tuple[int, ...]
    positives: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LabelFigures:
    """How well one label is scored: rows where it is known, and those of them that have it."""

    label: str
    rows: int
    positives: int
    figures: Mapping[Measure, Figure]
    curves: Curves


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was evaluated, how, and what came out.

    `one_sided` are labels that lack positives or negatives, with the rows that know them,
    `unknown` labels of the data that the plugin does not score, with their rows.
    """

    plugin: str
    model: str
    data: str
    rows: int
    bad_lines: int
    method: Method
    labels: tuple[LabelFigures, ...]
    one_sided: Mapping[str, int]
    unknown: Mapping[str, int]
