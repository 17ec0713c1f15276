"""`manage.py evaluate`: measures a model version on labelled texts, without a server."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from inference import registry, tables_db, versions_db
from inference.errors import RtaiError
from inference.evaluation import assess_numpy, samples, tables
from inference.evaluation.figures import Evaluation, LabelFigures, Method
from inference.evaluation.page import page
from inference.evaluation.samples import BadLine, Collected, Sample
from inference.loading_onnx import fixed_scorer
from inference.scoring import Scorer
from inference.types import Labels
from inference.versions import ActiveVersion

BATCH = 64
SHOWN = 20
"""Bad lines that are told one by one; the rest is counted."""
MAX_RESAMPLES = 100_000


class Command(BaseCommand):
    help = "Measures a model on labelled texts: JSON lines {text, labels} in, figures out."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django's own --version, its version number, gives way to ours."""
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("--data", type=Path, required=True, metavar="FILE", help="labelled texts")
        add("--plugin", help="which plugin scores; default: moderation")
        add("--version", metavar="NAME@VERSION", help="default: the plugin's active version")
        add("--label", action="append", help="only this one; may be given several times")
        add("--html", type=Path, metavar="FILE", help="write table and plots to this file")
        add("--json", type=Path, metavar="FILE", help="write the figures to this file")
        add("--threshold", type=float, default=0.5, metavar="P", help="default: 0.5")
        add("--bootstrap", type=int, default=1000, metavar="N", help="resamples; 0: no intervals")
        add("--seed", type=int, default=0, metavar="N", help="of the resamples")

    def handle(self, *args: Any, **options: Any) -> None:
        check(options)
        try:
            plugin, version = chosen(options["plugin"], options["version"])
            bad = self._evaluate(options, plugin, version)
        except (RtaiError, OSError) as error:
            raise CommandError(str(error)) from None
        if bad:
            raise CommandError(f"Lines that were not valid: {bad}.")

    def _evaluate(self, options: dict[str, Any], plugin: str, version: ActiveVersion | None) -> int:
        answers = Answers(plugin, version)
        collected, bad = Collected(), 0
        with options["data"].open("rb") as file, progress(options["data"]) as bar:
            for batch, size in batches(samples.read(file)):
                good = [each for each in batch if isinstance(each, Sample)]
                collected.add(good, answers.to([each.text for each in good]))
                for each in batch:
                    if isinstance(each, BadLine):
                        bad += 1
                        self._tell(each, bad)
                bar.update(size)
        evaluation = evaluate(options, answers, collected, bad)
        self.stdout.write(tables.as_text(evaluation))
        write(options, evaluation)
        return bad

    def _tell(self, line: BadLine, so_far: int) -> None:
        if so_far <= SHOWN:
            self.stderr.write(f"line {line.number} {line.problem}")
        elif so_far == SHOWN + 1:
            self.stderr.write("more lines are not valid; they are only counted")


class Answers:
    """One plugin's scores; raises CommandError where it gives none."""

    def __init__(self, plugin: str, version: ActiveVersion | None) -> None:
        self.plugin = plugin
        self.model = plugin
        active = {plugin: version} if version else {}
        self._scorer: Scorer = fixed_scorer(tuple(settings.RTAI_PLUGINS), active)

    def to(self, texts: Sequence[str]) -> list[Labels]:
        """One row of scores for each text, in order."""
        scored = self._scorer.score(texts)
        for each in scored:
            if self.plugin not in each.by_plugin:
                raise CommandError(f"{self.plugin} gives no scores: {each.failures[self.plugin]}")
            self.model = each.models[self.plugin]
        return [each.by_plugin[self.plugin] for each in scored]


def check(options: dict[str, Any]) -> None:
    """Raises CommandError for options that make no sense."""
    if not 0 < options["threshold"] <= 1:
        raise CommandError("--threshold must be above 0 and at most 1.")
    if not 0 <= options["bootstrap"] <= MAX_RESAMPLES:
        raise CommandError(f"--bootstrap must be a number from 0 to {MAX_RESAMPLES}.")
    if options["seed"] < 0:
        raise CommandError("--seed must be 0 or more.")
    given = [path.resolve() for name in ("data", "html", "json") if (path := options[name])]
    if len(set(given)) < len(given):
        raise CommandError("--data, --html and --json must be different files.")


def chosen(plugin: str | None, ref: str | None) -> tuple[str, ActiveVersion | None]:
    """The plugin asked for and the version that it is to run; raises RtaiError, CommandError."""
    tables_db.prepare()
    if ref is None:
        name = plugin or "moderation"
        needs_model = registry.find(settings.RTAI_PLUGINS).get(name).needs_model
        version = versions_db.active_versions().get(name)
        if needs_model and version is None:
            raise CommandError(f"{name} has no active version; see `manage.py models list`.")
        return name, version
    version = versions_db.as_active(versions_db.find(ref))
    if plugin not in (None, version.plugin):
        raise CommandError(f"{ref} is made for {version.plugin}, not for {plugin}.")
    registry.find(settings.RTAI_PLUGINS).get(version.plugin)
    return version.plugin, version


def batches(
    found: Iterable[tuple[Sample | BadLine, int]],
) -> Iterator[tuple[list[Sample | BadLine], int]]:
    """What is scored together, and how many bytes it had."""
    batch: list[Sample | BadLine] = []
    bytes_read = 0
    for each, size in found:
        batch.append(each)
        bytes_read += size
        if len(batch) == BATCH:
            yield batch, bytes_read
            batch, bytes_read = [], 0
    if batch:
        yield batch, bytes_read


def evaluate(
    options: dict[str, Any], answers: Answers, collected: Collected, bad: int
) -> Evaluation:
    """The figures of every label; raises CommandError where none can be measured."""
    known = registry.find(settings.RTAI_PLUGINS).get(answers.plugin).labels
    wanted = options["label"] or [label for label in known if label in collected.pairs]
    if missing := [label for label in wanted if label not in collected.pairs]:
        raise CommandError(f"No valid row has the label {', '.join(missing)} with a score.")
    method = Method(options["threshold"], options["bootstrap"], options["seed"])
    found = {label: assess(label, method, collected) for label in wanted}
    if not any(found.values()):
        raise CommandError("No label has a positive and a negative; there is nothing to measure.")
    return Evaluation(
        plugin=answers.plugin,
        model=answers.model,
        data=options["data"].name,
        rows=collected.rows,
        bad_lines=bad,
        method=method,
        labels=tuple(each for each in found.values() if each),
        one_sided={
            label: len(collected.pairs[label].scores) for label, each in found.items() if not each
        },
        unknown=collected.unknown,
    )


def assess(label: str, method: Method, collected: Collected) -> LabelFigures | None:
    """One label's figures, or None where it has no positive or no negative."""
    pairs = collected.pairs[label]
    return assess_numpy.assess(label, pairs.shares, pairs.scores, method)


def write(options: dict[str, Any], evaluation: Evaluation) -> None:
    """Writes the files that were asked for."""
    if options["html"]:
        options["html"].write_text(page(evaluation), encoding="utf-8")
    if options["json"]:
        text = json.dumps(tables.as_json(evaluation), indent=2, ensure_ascii=False)
        options["json"].write_text(f"{text}\n", encoding="utf-8")


def progress(path: Path) -> AbstractContextManager[Any]:
    """A bar of bytes read, on a terminal only, and on standard error."""
    shown = sys.stderr.isatty()
    bar: AbstractContextManager[Any] = tqdm(
        total=path.stat().st_size, unit="B", unit_scale=True, disable=not shown, file=sys.stderr
    )
    return bar
