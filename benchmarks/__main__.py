"""Runs every benchmark, prints one table and writes it to `benchmarks/results/`: `make bench`.

Each part runs in a process of its own, one after the other, and has a time of its own; a part that
fails or takes longer gives a row that says so, and none leaves a process behind. All together take
at most 20 minutes.

The quick form lets them share one product, for starting one takes longer than measuring it.

    python -m benchmarks [--quick] [--results FOLDER]
"""

import argparse
import contextlib
import json
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks import products, report
from benchmarks.bystanders import MARK, end, marked
from tests.product import ROOT

RESULTS = ROOT / "benchmarks" / "results"
WHOLE_S, QUICK_S, QUICK_PART_S = 1_170, 780, 240
LEAST_S = 20
"""A part is not started with less time than this."""


@dataclass(frozen=True, slots=True)
class Part:
    """A module of this package, on each of these servers, and how long one run of it may take.

    `quick` are the arguments of the quick form, which runs on the servers of `briefly` only and may
    be slow: it runs beside other tests. A server without a name is none.
    """

    module: str
    servers: Sequence[str]
    within_s: float
    quick: str
    briefly: Sequence[str] = ("daphne",)
    arguments: str = ""


ALONE = ("",)
PARTS = (
    Part("end_to_end", report.SERVERS, 180, "--messages 20 --clients 4 --many 8"),
    Part("generation", ALONE, 120, "--tokens 8 --rounds 1", ALONE),
    Part(
        "fan_out",
        ("daphne", "uvicorn", "tutorial", "socketio"),
        120,
        "--subscribers 20 --rate 10 --seconds 0.5 --warm-up 0",
        ("daphne", "tutorial", "socketio"),
        "--seconds 10",
    ),
    Part("storm", report.SERVERS, 75, "--clients 20 --missed 5"),
    Part("bad_clients", report.SERVERS, 100, "--clients 1"),
    Part("first_token", report.SERVERS, 100, "--rounds 1 --most 8"),
    Part("soak", report.SERVERS, 140, "--minutes 0.05 --rate 10", arguments="--minutes 0.6"),
    Part("idle", ("daphne", "uvicorn", "socketio"), 150, "--connections 40 --settle 0.2"),
)
"""In this order; the last ones go without where time runs out."""


def runs(quick: bool) -> Iterator[tuple[Part, str]]:
    """Every part with each of its servers."""
    for part in PARTS:
        for server in part.briefly if quick else part.servers:
            yield part, server


def rows_of(part: Part, server: str, quick: bool, left_s: float) -> list[report.Row]:
    """The rows of one run, or one that says why there are none."""
    if left_s < LEAST_S:
        return [report.Row(part.module, "not measured: no time left", "", False, server)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        arguments = (part.quick if quick else part.arguments).split()
        chosen = ["--server", server] if server else []
        command = [sys.executable, "-m", f"benchmarks.{part.module}", *chosen]
        whole = [*command, *arguments, "--json", str(path)]
        within_s = QUICK_PART_S if quick else part.within_s
        problem = _run(whole, Path(folder), min(within_s, left_s))
        if problem:
            return [report.Row(part.module, f"failed: {problem}", "", False, server)]
        found = [report.Row(**row) for row in json.loads(path.read_text())]
    return [row if row.on else report.Row(**{**asdict(row), "on": server}) for row in found]


def _run(command: Sequence[str], folder: Path, within_s: float) -> str:
    """Runs a command, its files in a folder of its own, and ends whatever it leaves; what went
    wrong, or nothing."""
    with (
        marked() as environ,
        subprocess.Popen(command, cwd=ROOT, env={**environ, "TMPDIR": str(folder)}) as running,
    ):
        try:
            code = running.wait(within_s)
        except subprocess.TimeoutExpired:
            return f"stopped after {within_s:.0f} s"
        finally:
            end(environ[MARK])
    return f"ended with {code}" if code else ""


def measured(quick: bool) -> Iterator[report.Row]:
    """The rows of all parts, as they come."""
    until = time.monotonic() + (QUICK_S if quick else WHOLE_S)
    for part, server in runs(quick):
        started = time.monotonic()
        print(f"--- {part.module}{' on ' if server else ''}{server}", flush=True)
        yield from rows_of(part, server, quick, until - started)
        print(f"--- took {time.monotonic() - started:.0f} s", flush=True)


def written(rows: Sequence[report.Row], folder: Path, took_s: float) -> str:
    """The table with the machine, which goes to the folder, too."""
    text = (
        f"Machine: {report.machine()}, {platform.machine()}.\n"
        f"Measured at {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC in {took_s:.0f} s.\n\n"
        f"{report.summary(rows)}\n"
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "table.md").write_text(text)
    (folder / "rows.json").write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    return text


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def main() -> None:
    """Runs all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers: do all parts run?")
    parser.add_argument("--results", type=Path, help="write the table here")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, _stop)  # So that what runs is ended.
    began, rows = time.monotonic(), list[report.Row]()
    try:
        with products.shared("daphne") if asked.quick else contextlib.nullcontext():
            for row in measured(asked.quick):
                rows.append(row)
    except BaseException:  # What is there is shown, and earlier results stay.
        print(f"\n{report.summary(rows)}")
        raise
    folder = asked.results or (None if asked.quick else RESULTS)
    took_s = time.monotonic() - began
    print(f"\n{written(rows, folder, took_s) if folder else report.summary(rows)}")


if __name__ == "__main__":
    main()
