"""Measures a model folder: `python -m training.evaluate --data DIR --run DIR --folder DIR`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from training import verify
from training.calibrate import average_precision, calibration_error, roc_area, threshold_at
from training.encode import numbers_of, shipped_tokenizer
from training.handmade import handwritten
from training.holdout import drop_held_out, is_validation
from training.labels import MODERATION_LABELS, SENTIMENT_LABELS
from training.rows import Row
from training.sources import moderation_rows
from training.store import read_validation

CHAT = ("self_dialogue", "clinc", "sgd", "goemotions_pos")
RATES = (0.005, 0.001, 0.0003)


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--run", type=Path, required=True, help="folder of the finished run")
    parser.add_argument("--folder", type=Path, required=True, help="model folder")
    return parser.parse_args()


def score(folder: Path, rows: Sequence[Row]) -> NDArray[np.float64]:
    """Probabilities of every row by the model as it ships."""
    runtime = verify.open_model(onnx.load(str(folder / "model.onnx")))
    tokens = numbers_of([row.text for row in rows], shipped_tokenizer(), 128)
    return verify.alone(runtime, tokens).astype(np.float64)


def table(rows: Sequence[Row], scores: NDArray[np.float64]) -> list[str]:
    """One line a label: how many, both areas, precision and recall at 0.5."""
    lines = ["| label | positives | negatives | AUPRC | ROC-AUC | ECE | precision | recall |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for column, label in enumerate(MODERATION_LABELS):
        known = [i for i, row in enumerate(rows) if label in row.targets]
        if known:
            truth = np.array([rows[i].targets[label] for i in known]).round()
            lines.append(f"| {label} | {_figures(truth, scores[known, column])} |")
    return lines


def _figures(truth: NDArray[np.float64], scores: NDArray[np.float64]) -> str:
    flagged, real = scores >= 0.5, truth >= 0.5
    if not real.any():
        return f"0 | {len(truth)} | " + " | ".join("–" * 5)
    hits = float((flagged & real).sum())
    figures = (
        average_precision(truth, scores),
        roc_area(truth, scores),
        calibration_error(truth, scores),
        hits / max(float(flagged.sum()), 1.0),
        hits / max(float(real.sum()), 1.0),
    )
    counts = f"{int(real.sum())} | {int((~real).sum())} | "
    return counts + " | ".join(f"{figure:.3f}" for figure in figures)


def by_source(rows: Sequence[Row], scores: NDArray[np.float64]) -> list[str]:
    """How well `harm` does on each kind of text."""
    lines = ["| source | harmful caught | harmless flagged |", "|---|---|---|"]
    for source in sorted({row.source for row in rows}):
        chosen = [i for i, row in enumerate(rows) if row.source == source and "harm" in row.targets]
        truth = np.array([rows[i].targets["harm"] >= 0.5 for i in chosen], dtype=bool)
        flagged = scores[chosen, 0] >= 0.5
        lines.append(f"| {source} | {_share(flagged[truth])} | {_share(flagged[~truth])} |")
    return lines


def _share(flags: NDArray[np.bool_]) -> str:
    return f"{int(flags.sum())}/{len(flags)}" if len(flags) else "–"


def chat_thresholds(scores: NDArray[np.float64]) -> list[str]:
    """For each label the thresholds that so many harmless chat messages reach, and those at 0.5."""
    lines = ["| label | at 0.5 | " + " | ".join(f"{rate:.2%}" for rate in RATES) + " |"]
    lines.append("|---" * (len(RATES) + 2) + "|")
    for column, label in enumerate(MODERATION_LABELS):
        found = " | ".join(f"{threshold_at(scores[:, column], rate):.2f}" for rate in RATES)
        lines.append(f"| {label} | {float((scores[:, column] >= 0.5).mean()):.2%} | {found} |")
    return lines


def handmade_report(folder: Path) -> list[str]:
    """Misses and false alarms among the sentences written by hand, at 0.5."""
    rows = handwritten()
    scores = score(folder, rows)
    lines = by_source([Row(r.text, {"harm": 0.0, **r.targets}, r.source) for r in rows], scores)
    for row, values in zip(rows, scores, strict=True):
        wanted = {label for label, value in row.targets.items() if value >= 0.65}
        found = {MODERATION_LABELS[i] for i in np.flatnonzero(values >= 0.5)}
        if wanted - found or (not row.targets and "harm" in found):
            lines.append(
                f"{row.source}: {row.text} missed {sorted(wanted - found)}, {sorted(found)}"
            )
    return lines


def moderation_report(asked: argparse.Namespace) -> list[str]:
    """Everything that the card tells of the moderation model."""
    rows = read_validation(asked.run)
    scores = score(asked.folder, rows)
    real = [i for i, row in enumerate(rows) if not row.source.startswith("generated")]
    everything = drop_held_out(moderation_rows(asked.data))
    chat = [row for row in everything if row.source in CHAT and is_validation(row.text)]
    return [
        "## Real texts", *table([rows[i] for i in real], scores[real]),
        "## With unseen templates", *table(rows, scores),
        "## By source", *by_source(rows, scores),
        f"## Harmless chat, {len(chat)} texts", *chat_thresholds(score(asked.folder, chat)),
        "## Written by hand", *handmade_report(asked.folder),
    ]  # fmt: skip


def sentiment_report(asked: argparse.Namespace) -> list[str]:
    """Recall of each class, by source."""
    rows = read_validation(asked.run)
    answers = score(asked.folder, rows).argmax(axis=1)
    truth = np.array([SENTIMENT_LABELS.index(_best(row)) for row in rows])
    lines = [
        "| source | texts | negative | neutral | positive | mean |",
        "|---|---|---|---|---|---|",
    ]
    for source in sorted({row.source for row in rows}):
        here = np.array([row.source == source for row in rows])
        recalls = [float((answers[here & (truth == n)] == n).mean()) for n in range(3)]
        shown = " | ".join(f"{value:.3f}" for value in [*recalls, float(np.mean(recalls))])
        lines.append(f"| {source} | {int(here.sum())} | {shown} |")
    return lines


def _best(row: Row) -> str:
    return max(SENTIMENT_LABELS, key=row.targets.__getitem__)


def main() -> None:
    """Print the figures as tables."""
    asked = arguments()
    manifest = json.loads((asked.folder / "manifest.json").read_text(encoding="utf-8"))
    make = moderation_report if manifest["plugin"] == "moderation" else sentiment_report
    print("\n".join(make(asked)))


if __name__ == "__main__":
    main()
