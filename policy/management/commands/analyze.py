"""`manage.py analyze`: judges a file of texts by a stream's policy, without a server."""

import functools
import multiprocessing
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from tqdm import tqdm

from inference import versions_db
from inference.loading_onnx import fixed_scorer
from policy import analysis, policies_db
from policy.analysis import Judged, Line, Scorer
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

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["workers"] <= MAX_WORKERS:
            raise CommandError(f"--workers must be a number from 1 to {MAX_WORKERS}.")
        prepare_database()
        policy = policy_of(options["stream"])
        build = functools.partial(
            fixed_scorer, tuple(settings.RTAI_PLUGINS), versions_db.active_versions()
        )
        try:
            failed = run(options, build, policy)
        except (OSError, BrokenProcessPool) as error:
            raise CommandError(str(error)) from None
        if failed:
            raise CommandError(f"{failed} lines could not be judged; see their errors.")


def run(options: dict[str, Any], build: Callable[[], Scorer], policy: Policy) -> int:
    """Judges from the input to the output; returns how many lines failed."""
    failed = 0
    with ExitStack() as stack:
        source = stack.enter_context(open_input(options["input"]))
        sink = stack.enter_context(open_output(options["input"], options["output"]))
        bar = stack.enter_context(progress(options["input"]))
        lines = analysis.batches(analysis.read(source))
        for batch in stack.enter_context(judged(lines, build, policy, options["workers"])):
            sink.writelines(f"{each.text}\n" for each in batch)
            sink.flush()
            failed += sum(each.failed for each in batch)
            bar.update(sum(each.size for each in batch))
    return failed
