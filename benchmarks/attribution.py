"""Do the words named explain a flag: is the text still flagged without them?

Reads JSON lines with a `text`, scores each with a shipped model, and explains those that the
thresholds flag. A text counts as explained when no label reaches its threshold once the words
named are deleted, and those are at most a third of its words and of its characters.

    python -m benchmarks.attribution --data FILE [--limit 1000] [--threshold 0.5]

Without `--threshold` the default policy's thresholds flag.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from benchmarks import report
from inference.attribution import Highlight, Target, explain
from inference.types import Scores
from inference.words import Span, without, words
from policy.defaults import DEFAULT_POLICY

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

GOAL = 0.8
BATCH = 64


@dataclass(frozen=True, slots=True)
class Explained:
    """A flagged text: its length in words, what it took, and for each label whether the words
    named for it bring it under its threshold; `cleared` is that of all labels and words."""

    words: int
    seconds: float
    characters: int
    cleared: bool
    within_third: bool
    by_label: dict[str, bool]


class Model:
    """The moderation model that ships, in this process; counts the characters it reads."""

    def __init__(self, folder: Path) -> None:
        from inference import versions
        from inference.runtime_onnx import OnnxRuntime

        self._runtime = OnnxRuntime(folder, versions.load(folder))
        self.characters = 0

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """One Scores for each text."""
        self.characters += sum(map(len, texts))
        rows = self._runtime.run(texts)
        labels = self._runtime.labels
        return [Scores({"moderation": dict(zip(labels, row, strict=True))}, {}) for row in rows]


def thresholds(asked: float | None, model: Model) -> dict[str, float]:
    """The lowest threshold that each label is flagged from."""
    if asked is not None:
        (scores,) = model.score(["x"])
        return dict.fromkeys(scores.by_plugin["moderation"], asked)
    found: dict[str, float] = {}
    for rule in DEFAULT_POLICY.rules:
        if rule.plugin == "moderation":
            found[rule.label] = min(rule.threshold, found.get(rule.label, 1.0))
    return found


def reached(scores: Scores, limits: dict[str, float]) -> tuple[Target, ...]:
    """The labels that reach their threshold."""
    given = scores.by_plugin["moderation"]
    return tuple(
        Target("moderation", label, limit)
        for label, limit in limits.items()
        if given[label] >= limit
    )


def flagged(
    texts: Iterable[str], model: Model, limits: dict[str, float]
) -> Iterator[tuple[str, tuple[Target, ...]]]:
    """The texts that are flagged, and why."""
    rest = iter(texts)
    while batch := list(islice(rest, BATCH)):
        for text, scores in zip(batch, model.score(batch), strict=True):
            if targets := reached(scores, limits):
                yield text, targets


def measure(text: str, targets: tuple[Target, ...], model: Model) -> Explained:
    """Explains one text and checks the explanation."""
    # Processor time, for other programs run on this machine too; all of it is in one thread.
    before, started = model.characters, time.process_time()
    found = explain(text, targets, model.score)
    seconds, characters = time.process_time() - started, model.characters - before
    named = spans(found)
    limits = {target.label: target.threshold for target in targets}
    rest = [without(text, named), *(without(text, spans(found, label)) for label in limits)]
    everything, *own = model.score(rest)
    by_label = {
        label: scores.by_plugin["moderation"][label] < limits[label]
        for label, scores in zip(limits, own, strict=True)
    }
    count = len(words(text))
    return Explained(
        words=count,
        seconds=seconds,
        characters=characters,
        cleared=not reached(everything, limits),
        within_third=3 * len(named) <= count and 3 * sum(e.length for e in named) <= len(text),
        by_label=by_label,
    )


def spans(found: Iterable[Highlight], label: str | None = None) -> list[Span]:
    """The words named, for one label or for any."""
    return sorted(
        {Span(each.start, each.end) for each in found if label in (None, each.label)},
        key=lambda span: span.start,
    )


def rows_of(found: list[Explained]) -> list[report.Row]:
    """The figures: overall, by length, by label."""
    share = sum(each.cleared and each.within_third for each in found) / len(found)
    rows = [
        report.Row("flagged texts explained", _share(found), "≥ 80 %", share >= GOAL),
        *(
            report.Row(f"of {low} to {high} words", _share(here))
            for low, high in ((1, 2), (3, 5), (6, 15), (16, 40), (41, 100), (101, 10_000))
            if (here := [each for each in found if low <= each.words <= high])
        ),
    ]
    for label in sorted({label for each in found for label in each.by_label}):
        here = [each for each in found if label in each.by_label]
        good = sum(each.by_label[label] and each.within_third for each in here)
        rows.append(report.Row(f"`{label}` explained", f"{good / len(here):.1%} of {len(here)}"))
    for what, chosen in (("any", found), ("up to 40 words", [e for e in found if e.words <= 40])):
        seconds = [each.seconds for each in chosen]
        p50, p95 = report.quantile(seconds, 0.5), report.quantile(seconds, 0.95)
        said = f"{p50:.0f} ms, {p95:.0f} ms, {report.quantile(seconds, 1):.0f} ms"
        rows.append(report.Row(f"processor time, {what}: p50, p95, most", said))
    return rows


def _share(found: list[Explained]) -> str:
    good = sum(each.cleared and each.within_third for each in found)
    return f"{good / len(found):.1%} of {len(found)}"


def main() -> None:
    """Prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="JSON lines with a text each")
    parser.add_argument("--limit", type=int, default=1000, help="so many flagged texts, by chance")
    parser.add_argument("--threshold", type=float, help="default: those of the default policy")
    parser.add_argument("--model", type=Path, default=Path("plugins/models/guard-mini-1.4.1"))
    parser.add_argument("--json", help="write the rows to this file as well")
    asked = parser.parse_args()
    texts = [json.loads(line)["text"] for line in asked.data.read_text("utf-8").splitlines()]
    random.Random(1).shuffle(texts)  # noqa: S311 - a sample, no secret
    model = Model(asked.model)
    limits = thresholds(asked.threshold, model)
    chosen = islice(flagged(texts, model, limits), asked.limit)
    report.finish(rows_of([measure(text, targets, model) for text, targets in chosen]), asked)


if __name__ == "__main__":
    main()
