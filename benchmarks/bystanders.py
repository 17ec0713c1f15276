"""Processes that a benchmark started, and those that they started, whoever their parent is now.

They are known by a mark in their environment, which children inherit even across sessions. Valkey
writes its title over its environment, so whatever is below a marked process counts, too.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from uuid import uuid4

import psutil

MARK = "BENCHMARK_PART"
PATIENCE_S = 10.0


def living(mark: str) -> list[psutil.Process]:
    """Every process that has the mark, or is below one that has it."""
    found = set[psutil.Process]()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                found |= {process, *process.children(recursive=True)}
    return [each for each in found if _lives(each)]


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def end(mark: str) -> None:
    """Kills all of them. Where those at their head still live, none of the others is missed."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := living(mark)) and time.monotonic() < deadline:
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.1)


@contextlib.contextmanager
def marked() -> Iterator[dict[str, str]]:
    """An environment for one part; all that was started with it is killed at the end."""
    mark = uuid4().hex
    try:
        yield {**os.environ, MARK: mark}
    finally:
        end(mark)
