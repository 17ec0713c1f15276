"""Measures a model folder: `python -m training.evaluate --data DIR --run DIR --folder DIR`."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from training import groups, labelled, verify
from training.benign import benign_rows
from training.calibrate import average_precision, calibration_error, roc_area, threshold_at
from training.encode import numbers_of, shipped_tokenizer
from training.handmade import handwritten
from training.holdout import is_calibration
from training.labels import MODERATION_LABELS, SENTIMENT_LABELS
from training.noise import misspell
from training.rows import Row
from training.store import read_validation

RATES = (0.005, 0.001, 0.0003)
MADE = ("generated", "document", "quoted", "meant")


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


def chat_report(rows: Sequence[Row], scores: NDArray[np.float64]) -> list[str]:
    """Thresholds that so many harmless messages reach, found on one half, told of the other."""
    found_on = np.array([is_calibration(row.text) for row in rows])
    head = " | ".join(f"{rate:.2%} | reached by" for rate in RATES)
    lines = [f"| label | at 0.5 | {head} |", "|---" * (2 * len(RATES) + 2) + "|"]
    for column, label in enumerate(MODERATION_LABELS):
        own, other = scores[found_on, column], scores[~found_on, column]
        cells = [f"{float((other >= 0.5).mean()):.2%}"]
        for rate in RATES:
            threshold = threshold_at(own, rate)
            cells += [f"{threshold:.2f}", f"{float((other >= threshold).mean()):.2%}"]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    for source in sorted({row.source for row in rows}):
        here = np.array([row.source == source for row in rows])
        shares = [f"{float((scores[here, 0] >= t).mean()):.2%}" for t in (0.5, 0.7, 0.8, 0.9)]
        lines.append(f"{source}: {here.sum()} texts, harm at 0.5, 0.7, 0.8, 0.9: {shares}")
    return lines


def group_report(folder: Path) -> list[str]:
    """How much the name of a group alone moves `toxicity` and `identity_attack`."""
    texts = groups.sentences()
    safe_and_harmful = {
        name: [score(folder, [Row(text) for text in half]) for half in halves]
        for name, halves in texts.items()
    }
    lines = []
    for label in ("toxicity", "identity_attack"):
        column = MODERATION_LABELS.index(label)
        scores = {
            name: (safe[:, column], harmful[:, column])
            for name, (safe, harmful) in safe_and_harmful.items()
        }
        for name, area, flagged in groups.worst_first(texts, scores)[:8]:
            lines.append(f"{label}: {name} {area:.3f}, {flagged}/{len(texts[name][0])} flagged")
        caught = np.mean([(harmful >= 0.5).mean() for _, harmful in scores.values()])
        lines.append(f"{label}: {float(caught):.1%} of hateful sentences caught")
    return lines


def spelling_report(folder: Path, rows: Sequence[Row], scores: NDArray[np.float64]) -> list[str]:
    """The share of the caught texts that is still caught when some of their words are misspelt."""
    caught = [
        row
        for row, values in zip(rows, scores, strict=True)
        if row.targets.get("harm", 0.0) >= 0.5 <= values[0] and len(row.text) < 200
    ]
    dice = random.Random(17)
    again = score(folder, [Row(misspell(row.text, dice)) for row in caught])
    return [f"{float((again[:, 0] >= 0.5).mean()):.1%} of {len(caught)} caught again"]


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


def labelled_report(folder: Path) -> list[str]:
    """Each label on the hand-labelled texts that concern it, and `harm` by kind of text."""
    texts = labelled.read()
    scores = score(folder, [Row(text.text) for text in texts])
    lines = ["| label | positives | negatives | AUPRC | ROC-AUC | ECE | precision | recall |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for column, label in enumerate(MODERATION_LABELS):
        about = [
            i
            for i, text in enumerate(texts)
            if label in text.labels and (label == "harm" or label in labelled.CONCERNS[text.theme])
        ]
        if about:
            truth = np.array([float(texts[i].labels[label]) for i in about])
            lines.append(f"| {label} | {_figures(truth, scores[about, column])} |")
    judged = [i for i, text in enumerate(texts) if "harm" in text.labels]
    rows = [Row("", {"harm": texts[i].labels["harm"]}, str(texts[i].kind)) for i in judged]
    return [*lines, *by_source(rows, scores[judged])]


def moderation_report(asked: argparse.Namespace) -> list[str]:
    """Everything that the card tells of the moderation model."""
    rows = reported(asked.run)
    scores = score(asked.folder, rows)
    real = [i for i, row in enumerate(rows) if not row.source.startswith(MADE)]
    chat = benign_rows(asked.data)
    return [
        "## Real texts", *table([rows[i] for i in real], scores[real]),
        "## With unseen templates", *table(rows, scores),
        "## By source", *by_source(rows, scores),
        f"## Harmless chat, {len(chat)} texts", *chat_report(chat, score(asked.folder, chat)),
        "## Groups", *group_report(asked.folder),
        "## Misspelt", *spelling_report(asked.folder, rows, scores),
        "## Labelled by hand", *labelled_report(asked.folder),
        "## Written by hand", *handmade_report(asked.folder),
    ]  # fmt: skip


def reported(run: Path) -> list[Row]:
    """The half of the validation rows that calibration has not seen."""
    return [row for row in read_validation(run) if not is_calibration(row.text)]


def sentiment_report(asked: argparse.Namespace) -> list[str]:
    """Recall of each class, by source."""
    rows = reported(asked.run)
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
