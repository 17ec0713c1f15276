"""What benchmarks hand over: rows of a table, and the machine that they were measured on."""

import argparse
import asyncio
import json
import os
import platform
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import uvloop

SERVERS = ("daphne", "uvicorn")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `met` is None where there is no goal."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None


def table(rows: Sequence[Row]) -> str:
    """Markdown."""
    marks = {True: "yes", False: "**no**", None: ""}
    lines = [f"| {row.what} | {row.value} | {row.goal} | {marks[row.met]} |" for row in rows]
    return "\n".join(["| measure | value | goal | met |", "| --- | --- | --- | --- |", *lines])


def machine() -> str:
    """The machine in one line."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({names[0] if names else platform.machine()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}"
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value in ms below which this share of the values (in s) lies."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def arguments(about: str | None, **numbers: float) -> argparse.Namespace:
    """The command line of a benchmark: `--server`, `--json` and its own numbers."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--server", default="daphne", choices=SERVERS)
    parser.add_argument("--json", help="write the rows to this file as well")
    for name, value in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args()


def finish(rows: Sequence[Row], asked: argparse.Namespace) -> None:
    """Prints the table and writes the rows where that was asked for."""
    print(table(rows))
    if asked.json:
        Path(asked.json).write_text(json.dumps([asdict(row) for row in rows]))


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs the load generator on the fast event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
