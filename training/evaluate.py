"""Measures a model folder: `python -m training.evaluate --data DIR --folder DIR`.

Texts are judged as the product judges them, long ones in windows. Without `--run` the validation
texts are made again from the data, with the seed that training used.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training import calm, goals, groups, labelled, moods, speed, tricks
from training.benign import benign_rows
from training.calibrate import (
    average_precision,
    calibration_error,
    roc_area,
    threshold_at,
)
from training.handmade import handwritten
from training.holdout import is_calibration
from training.labels import MODERATION_LABELS
from training.rows import Row
from training.scores import Judged, judge, opened, score
from training.validation import (
    DISTIL_SEED,
    VALIDATION,
    is_innocent,
    is_made,
    moderation_validation,
    read_rows,
    reported,
    sentiment_validation,
)

CHAT_THRESHOLDS = (0.5, 0.7, 0.9)
RATES = (0.005, 0.001, 0.0003)
NATURAL_RATES = (0.01, 0.03)
HEAD = [
    "| label | positives | negatives | AUPRC | ROC-AUC | ECE | precision | recall |",
    "|---|---|---|---|---|---|---|---|",
]


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--folder", type=Path, required=True, help="model folder")
    parser.add_argument("--run", type=Path, help="finished run, for the texts that it kept back")
    parser.add_argument("--seed", type=int, default=DISTIL_SEED, help="of the run, if not given")
    parser.add_argument("--speed", action="store_true", help="time it too; let nothing else run")
    return parser.parse_args()


def validation_rows(
    asked: argparse.Namespace, made_again: Callable[[argparse.Namespace], list[Row]]
) -> list[Row]:
    """The validation texts that calibration has not seen, without the innocent ones."""
    rows = reported(read_rows(asked.run / VALIDATION) if asked.run else made_again(asked))
    return [row for row in rows if not is_innocent(row)]


def table(rows: Sequence[Row], scores: NDArray[np.float64]) -> list[str]:
    """One line a label: how many, both areas, precision and recall at 0.5."""
    lines = list(HEAD)
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
    for source in sorted({family(row.source) for row in rows}):
        chosen = [
            i
            for i, row in enumerate(rows)
            if family(row.source) == source and "harm" in row.targets
        ]
        truth = np.array([rows[i].targets["harm"] >= 0.5 for i in chosen], dtype=bool)
        flagged = scores[chosen, 0] >= 0.5
        lines.append(f"| {source} | {_share(flagged[truth])} | {_share(flagged[~truth])} |")
    return lines


def family(source: str) -> str:
    """A source, or the group of topics of ours that a topic belongs to."""
    first, _, topic = source.partition(".")
    if first != "generated":
        return source
    return "written one by one" if topic.startswith("w") else ".".join(source.split(".")[:2])


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
    return lines


def by_messages(rows: Sequence[Row], scores: NDArray[np.float64]) -> list[str]:
    """How much of each kind of harmless message `harm` reaches."""
    shown = " | ".join(f"at {threshold}" for threshold in CHAT_THRESHOLDS)
    lines = [f"| harmless messages | number | {shown} |", "|---" * (2 + len(CHAT_THRESHOLDS)) + "|"]
    for source in sorted({row.source for row in rows}):
        here = np.array([row.source == source for row in rows])
        shares = [f"{float((scores[here, 0] >= at).mean()):.2%}" for at in CHAT_THRESHOLDS]
        lines.append(f"| {source} | {here.sum()} | {' | '.join(shares)} |")
    return lines


def group_report(folder: Path, real: Judged) -> list[str]:
    """How much the name of a group alone moves a score, and what becomes of texts that name one."""
    found = groups.measured(lambda rows: judge(folder, rows))
    caught = [f"{label}: {each.caught:.1%} of hateful sentences" for label, each in found.items()]
    return [*groups.table(found), *groups.naming(real), *caught]


def tricks_report(folder: Path, judged: Judged) -> list[str]:
    """The share of caught abusive texts that is still caught in each disguise."""
    texts = tricks.caught_abuse(judged)
    lines = [f"| trick on {len(texts)} caught texts | still caught |", "|---|---|"]
    shares = {name: float(hit.mean()) for name, hit in tricks.kept(folder, texts).items()}
    lines += [f"| {name} | {share:.1%} |" for name, share in shares.items()]
    return [*lines, f"| all together | {np.mean(list(shares.values())):.1%} |"]


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
    lines = list(HEAD)
    for column, label in enumerate(MODERATION_LABELS):
        about = _about(texts, label)
        if about:
            truth = np.array([float(texts[i].labels[label]) for i in about])
            lines.append(f"| {label} | {_figures(truth, scores[about, column])} |")
    judged = [i for i, text in enumerate(texts) if "harm" in text.labels]
    rows = [Row("", {"harm": texts[i].labels["harm"]}, str(texts[i].kind)) for i in judged]
    return [*lines, *by_source(rows, scores[judged])]


def _about(texts: Sequence[labelled.LabelledText], label: str) -> list[int]:
    """Which texts concern the label; all of them `harm`."""
    return [
        i
        for i, text in enumerate(texts)
        if label in text.labels and (label == "harm" or label in labelled.CONCERNS[text.theme])
    ]


def natural_report(folder: Path, chat: NDArray[np.float64]) -> list[str]:
    """How often a flag at 0.5 is right in chat of which 1 % or 3 % is what the label says."""
    texts = labelled.read()
    scores = score(folder, [Row(text.text) for text in texts])
    shown = " | ".join(f"right at {rate:.0%}" for rate in NATURAL_RATES)
    lines = [f"| label | recall, hand-labelled | flagged of harmless chat | {shown} |"]
    lines.append("|---|---|---|---|---|")
    for column, label in enumerate(MODERATION_LABELS):
        positives = [i for i in _about(texts, label) if texts[i].labels[label]]
        if positives:
            recall = float((scores[positives, column] >= 0.5).mean())
            flagged = float((chat[:, column] >= 0.5).mean())
            right = [natural_precision(recall, flagged, len(chat), rate) for rate in NATURAL_RATES]
            cells = " | ".join(f"{value:.2f}" for value in right)
            lines.append(f"| {label} | {recall:.3f} | {flagged:.2%} | {cells} |")
    return lines


def natural_precision(recall: float, flagged: float, messages: int, rate: float) -> float:
    """The chance that a flag is right; where no message was flagged, the next one might be."""
    wrong = max(flagged, 1.0 / messages) * (1.0 - rate)
    return recall * rate / (recall * rate + wrong)


def moderation_report(asked: argparse.Namespace) -> list[str]:
    """Everything that the card tells of the moderation model."""
    rows = validation_rows(asked, lambda asked: moderation_validation(asked.data, asked.seed))
    judged = judge(asked.folder, rows)
    real = judged.where(lambda row: not is_made(row))
    chat = benign_rows(asked.data)
    chat_scores = score(asked.folder, chat)
    innocent = judge(asked.folder, calm.calm_rows(asked.data, asked.folder))
    found = [*goals.of_moderation(asked.folder, asked.data, judged), *timed(asked)]
    return [
        "## Goals", *goals.table(found),
        "## Labelled by hand", *labelled_report(asked.folder),
        "## Written by hand", *handmade_report(asked.folder),
        "## Real texts", *table(real.rows, real.scores),
        "## With unseen templates", *table(rows, judged.scores),
        "## By source", *by_source(rows, judged.scores),
        "## Groups", *group_report(asked.folder, real),
        "## Tricks", *tricks_report(asked.folder, real),
        "## Harmless texts by kind and length", *calm.report(innocent),
        f"## Harmless chat, {len(chat)} texts", *by_messages(chat, chat_scores),
        *chat_report(chat, chat_scores),
        "## Precision at natural rates", *natural_report(asked.folder, chat_scores),
    ]  # fmt: skip


def sentiment_report(asked: argparse.Namespace) -> list[str]:
    """Everything that the card tells of the sentiment model."""
    rows = validation_rows(asked, lambda asked: sentiment_validation(asked.data))
    found = [*goals.of_sentiment(asked.folder, asked.data), *timed(asked)]
    tweets = moods.masked([row for row in rows if row.source == "semeval"])
    lines = moods.report(rows, score(asked.folder, rows))
    masked = moods.report(tweets, score(asked.folder, tweets))[2:3]
    by_hand = moods.labelled()
    return [
        "## Goals", *goals.table(found), "## Moods", *lines, *masked,
        "## Labelled by hand", *moods.report(by_hand, score(asked.folder, by_hand), kinds=False),
    ]  # fmt: skip


def timed(asked: argparse.Namespace) -> list[goals.Found]:
    """The time of one text, if it is asked for."""
    if not asked.speed:
        return []
    took = speed.of_folder(asked.folder, asked.data)
    return [goals.Found(goals.LATENCY.name, took, f"{speed.RUNS} messages, {speed.processor()}")]


def main() -> None:
    """Print the figures as tables."""
    asked = arguments()
    moderation = opened(asked.folder).labels == MODERATION_LABELS
    print("\n".join(moderation_report(asked) if moderation else sentiment_report(asked)))


if __name__ == "__main__":
    main()
