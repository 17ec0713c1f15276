"""Idle connections: memory of each, and whether it comes back when all of them change twice.

Every connection is another user, subscribed, and answers heartbeats. In the end each must hear a
few messages, once and in order: what does not counts as an error.

    python -m benchmarks.idle [--server daphne|uvicorn|tutorial|socketio] [--connections 10000]
"""

import argparse
import asyncio
import time
from collections.abc import Sequence

import psutil

from benchmarks import report, targets
from benchmarks.connections import Connection, Refused
from benchmarks.peers.running import NotMeasured

GOAL_KIB = 32
GOAL_DRIFT = 0.02
ROUNDS = 3
LANES = 64
SOURCES = 16
PATIENCE_S = 60
MESSAGES, LISTEN_S = 3, 30


class Crowd:
    """Many connections to one target; `errors` counts those that failed or were closed."""

    def __init__(self, target: targets.Target, size: int, settle_s: float) -> None:
        """`settle_s` is how long the target may take until its memory is looked at."""
        self._target, self._size, self._settle_s = target, size, settle_s
        self._connections: list[Connection] = []
        self.errors = 0
        self.filled: list[int] = []
        self.seconds: list[float] = []

    async def fill(self) -> None:
        """Opens all and takes the server's memory."""
        began = time.perf_counter()
        passes = list(enumerate(self._target.passes(self._size)))
        await asyncio.gather(*(self._lane(passes[first::LANES]) for first in range(LANES)))
        self.seconds.append(time.perf_counter() - began)
        await asyncio.sleep(self._settle_s)
        self.filled.append(self._target.resident())
        self.errors += sum(each.closed for each in self._connections)

    async def empty(self) -> None:
        """Closes all and waits until the server has let them go."""
        for each in self._connections:
            each.transport.abort()
        self._connections.clear()
        deadline = time.perf_counter() + PATIENCE_S
        while held := self._held():
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{held} connections stayed behind.")
            await asyncio.sleep(min(0.5, self._settle_s))
        await asyncio.sleep(self._settle_s)

    async def listen(self) -> None:
        """Publishes a few messages and counts the connections that do not hear each once."""
        writer = self._target.publish(1.0, MESSAGES, time.perf_counter() + 1.5)
        deadline = time.perf_counter() + LISTEN_S
        while self._deaf() and time.perf_counter() < deadline:
            await asyncio.sleep(0.1)
        await asyncio.to_thread(writer.wait)
        self.errors += self._deaf()

    def _deaf(self) -> int:
        return sum(each.frames != MESSAGES or each.problems > 0 for each in self._connections)

    def _held(self) -> int:
        """Connections that the server still holds, without those to Redis."""
        return sum(
            each.status != psutil.CONN_LISTEN
            for process in self._target.processes()
            for each in process.net_connections("tcp4")
        )

    async def _lane(self, passes: Sequence[tuple[int, str]]) -> None:
        for number, token in passes:
            source = f"127.0.0.{1 + number % SOURCES}"
            try:
                async with asyncio.timeout(PATIENCE_S):
                    self._connections.append(await self._target.listen(token, None, source))
            except (TimeoutError, Refused, OSError):
                self.errors += 1


async def measure(target: targets.Target, asked: argparse.Namespace) -> list[report.Row]:
    """The rows of one run."""
    warm_up = Crowd(target, min(200, asked.connections), asked.settle)
    await warm_up.fill()
    await warm_up.empty()
    before = target.resident()
    crowd = Crowd(target, asked.connections, asked.settle)
    for number in range(ROUNDS):
        await crowd.fill()
        if number < ROUNDS - 1:
            await crowd.empty()
    await crowd.listen()
    return _rows(crowd, before, asked)


def _rows(crowd: Crowd, before: int, asked: argparse.Namespace) -> list[report.Row]:
    each = (crowd.filled[0] - before) / asked.connections / 1024
    drift = crowd.filled[-1] / crowd.filled[0] - 1
    sizes = ", ".join(f"{size / 2**20:.0f}" for size in crowd.filled)
    rate = asked.connections / min(crowd.seconds)
    steady = not crowd.errors and abs(drift) < GOAL_DRIFT
    ours = asked.server in report.SERVERS
    return [
        report.Row(
            f"idle connection, subscribed, of {asked.connections}",
            f"{each:.1f} KiB",
            f"≤ {GOAL_KIB} KiB",
            each <= GOAL_KIB if ours else None,
            asked.server,
        ),
        report.Row(
            f"{asked.connections} connections, full churn twice",
            f"{crowd.errors} errors, {sizes} MiB: drift {drift:+.1%}; opened at up to {rate:.0f}/s",
            "no error, drift < 2 %",
            steady if ours else None,
            asked.server,
        ),
    ]


def rows(asked: argparse.Namespace) -> list[report.Row]:
    """Those of one run."""
    try:
        with targets.opened(asked.server) as target:
            found: list[report.Row] = report.run(lambda: measure(target, asked))
    except NotMeasured as error:
        what = f"idle connection, subscribed, of {asked.connections}"
        return [report.Row(what, f"not measured: {error}", on=asked.server)]
    return found


def main() -> None:
    """Runs once and prints a table in Markdown."""
    asked = report.arguments(__doc__, targets.NAMES, connections=10_000, settle=5.0)
    report.finish(rows(asked), asked)


if __name__ == "__main__":
    main()
