"""`manage.py analyze`: judges a file of texts by a stream's policy, without a server."""

import functools
import multiprocessing
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from inference import tables_db, versions_db
from inference.loading_onnx import fixed_scorer
from policy import analysis, policies_db
from policy.analysis import Judge, Judged, Line
from policy.policy import Policy

MAX_WORKERS = 256


class Command(BaseCommand):
    help = "Judges lines of text: JSON lines {id, text} or plain lines in, JSON lines out."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--input", type=Path, metavar="FILE", help="default: standard input")
        parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
        parser.add_argument(
            "--stream", metavar="NAME", help="whose policy decides, NAME or SITE/NAME"
        )
        parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes")
        parser.add_argument(
            "--why", action="store_true", help="name the words that drove each flagged line"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["workers"] <= MAX_WORKERS:
            raise CommandError(f"--workers must be a number from 1 to {MAX_WORKERS}.")
        tables_db.prepare()
        policy = policy_of(options["stream"])
        build = functools.partial(
            analysis.prepare,
            functools.partial(
                fixed_scorer, tuple(settings.RTAI_PLUGINS), versions_db.active_versions()
            ),
            policy,
            options["why"],
        )
        try:
            failed = run(options, build)
        except (OSError, BrokenProcessPool) as error:
            raise CommandError(str(error)) from None
        if failed:
            raise CommandError(f"{failed} lines could not be judged; see their errors.")


def run(options: dict[str, Any], build: Callable[[], Judge]) -> int:
    """Judges from the input to the output; returns how many lines failed."""
    failed = 0
    with ExitStack() as stack:
        source = stack.enter_context(open_input(options["input"]))
        sink = stack.enter_context(open_output(options["output"], options["input"]))
        bar = stack.enter_context(progress(options["input"]))
        lines = analysis.batches(analysis.read(source))
        for batch in stack.enter_context(judged(lines, build, options["workers"])):
            sink.writelines(f"{each.text}\n" for each in batch)
            sink.flush()
            failed += sum(each.failed for each in batch)
            bar.update(sum(each.size for each in batch))
    return failed


def policy_of(stream: str | None) -> Policy:
    """The policy of `NAME` or `SITE/NAME`, or the default one; raises CommandError.

    A name without its site is looked for on the demo site first.
    """
    policies = policies_db.load()
    if stream is None:
        return policies.default
    site, _, name = stream.rpartition("/")
    streams = apps.get_model("streams", "Stream").objects.order_by("site_id", "name")
    known = [(each.site_id, each.name) for each in streams]
    fitting = [each for each in known if each[1] == name and site in ("", each[0])]
    if not fitting:
        names = ", ".join("/".join(each) for each in known[:20]) or "none"
        raise CommandError(f"No stream {stream!r}; known: {names}.")
    return policies.for_stream(*min(fitting, key=lambda each: each[0] != "demo"))


@contextmanager
def judged(
    lines: Iterator[list[Line]], build: Callable[[], Judge], workers: int
) -> Iterator[Iterator[list[Judged]]]:
    """The batches judged, in order: here, or by processes that each load the models."""
    if workers == 1:
        judge = build()
        yield (analysis.judge(batch, judge) for batch in lines)
        return
    with ProcessPoolExecutor(
        workers,
        # Forked children would share the threads of a runtime that they do not have.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=analysis.start_process,
        initargs=(build,),
    ) as pool:
        try:
            yield analysis.in_order(lines, analysis.judge_here, pool, limit=2 * workers + 1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def open_input(path: Path | None) -> AbstractContextManager[BinaryIO]:
    """The file to read, or standard input."""
    return path.open("rb") if path else nullcontext(sys.stdin.buffer)


def open_output(path: Path | None, source: Path | None) -> AbstractContextManager[TextIO]:
    """The file to write, or standard output; raises CommandError if it is the input too."""
    if path is None:
        return nullcontext(sys.stdout)
    if source and path.exists() and path.samefile(source):
        raise CommandError("--input and --output are the same file.")
    return path.open("w", encoding="utf-8")


def progress(path: Path | None) -> AbstractContextManager[Any]:
    """A bar of bytes read, on a terminal only, and on standard error."""
    size = path.stat().st_size if path and path.is_file() else None
    shown = sys.stderr.isatty()
    bar: AbstractContextManager[Any] = tqdm(
        total=size, unit="B", unit_scale=True, disable=not shown, file=sys.stderr
    )
    return bar
