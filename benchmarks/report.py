"""What benchmarks hand over: rows of a table, and the machine that they were measured on."""

import argparse
import asyncio
import json
import os
import platform
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import psutil
import uvloop

SERVERS = ("daphne", "uvicorn")
MARKS = {True: "yes", False: "**no**", None: ""}


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `met` is None where there is no goal; `on` is the server or the peer."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    on: str = ""


def table(rows: Sequence[Row]) -> str:
    """Markdown: a line for each row."""
    lines = [
        f"| {row.what} | {row.on} | {row.value} | {row.goal} | {MARKS[row.met]} |" for row in rows
    ]
    head = ["| measure | on | value | goal | met |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *lines])


def summary(rows: Sequence[Row]) -> str:
    """Markdown: a line for each measure, with both servers and the peers side by side."""
    measures = dict[str, list[Row]]()
    for row in rows:
        measures.setdefault(row.what, []).append(row)
    head = "| what | goal | on Daphne | on uvicorn | peers and others | reached |"
    lines = [_line(what, found) for what, found in measures.items()]
    return "\n".join([head, "| --- | --- | --- | --- | --- | --- |", *lines])


def _line(what: str, rows: Sequence[Row]) -> str:
    goals = dict.fromkeys(row.goal for row in rows if row.goal)
    ours = ["; ".join(row.value for row in rows if row.on == server) for server in SERVERS]
    peers = dict.fromkeys(
        f"{row.on}: {row.value}" if row.on else row.value for row in rows if row.on not in SERVERS
    )
    cells = [what, "; ".join(goals), *ours, "; ".join(peers), _reached(rows)]
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _reached(rows: Sequence[Row]) -> str:
    judged = [row for row in rows if row.met is not None]
    if len({row.met for row in judged}) < 2:
        return MARKS[judged[0].met] if judged else ""
    return "; ".join(f"{row.on} {MARKS[row.met]}" for row in judged)


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


def arguments(
    about: str | None, servers: Sequence[str] = SERVERS, **numbers: float | str
) -> argparse.Namespace:
    """The command line of a benchmark: `--server` where it has one, `--json` and its own numbers.

    From here on SIGTERM ends the benchmark as Ctrl-C does, with all that it started.
    """
    signal.signal(signal.SIGTERM, _stop)
    parser = argparse.ArgumentParser(description=about)
    if servers:
        parser.add_argument("--server", default=servers[0], choices=servers)
    parser.add_argument("--json", help="write the rows to this file as well")
    for name, value in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args()


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def finish(rows: Sequence[Row], asked: argparse.Namespace) -> None:
    """Prints the table and writes the rows where that was asked for."""
    print(table(rows))
    if asked.json:
        Path(asked.json).write_text(json.dumps([asdict(row) for row in rows]))


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Runs the load generator on the fast event loop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
