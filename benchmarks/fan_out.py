"""Many subscribers of one stream, at a fixed rate: nothing is judged, fan-out is measured alone.

The load generator and the publisher are processes of their own; a latency counts from the time
at which a message was to be published, whatever delayed it.

    python -m benchmarks.fan_out [--server daphne|uvicorn|tutorial|socketio] [--rate 50]
"""

import argparse
import asyncio
import gc
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import report, targets
from benchmarks.connections import Connection
from benchmarks.pacing import SENT
from benchmarks.peers.running import NotMeasured

GOALS_MS = {"daphne": 50, "uvicorn": 25}
GOAL = "100 %, p99 ≤ 50 ms, on uvicorn ≤ 25 ms"
WARM_UP_S = 2.0
MARK = b'"text":"' + SENT.encode()
PATIENCE_S = 30
LEAD_S = 3.0
"""The publisher's process has started by then; what it sends late would count as slow."""
LANES = 10


class Ears:
    """Takes the latency of every message that arrives, on whatever connection."""

    def __init__(self) -> None:
        self.latencies = array("d")

    def hear(self, connection: Connection, line: bytes, now: float) -> None:
        """Notes one line."""
        at = line.find(MARK)
        if at >= 0:
            start = at + len(MARK)
            self.latencies.append(now - int(line[start : line.index(b" ", start)]) / 1e6)


@dataclass(frozen=True, slots=True)
class Heard:
    """What arrived: latencies in seconds, the share that came, offsets out of order, CPU in s."""

    latencies: Sequence[float]
    share: float
    problems: int
    cpu_s: float

    @property
    def p99(self) -> float:
        """In ms."""
        return report.quantile(self.latencies, 0.99)

    def __str__(self) -> str:
        p50 = report.quantile(self.latencies, 0.5)
        return (
            f"{self.share:.2%}, {self.problems} out of order; "
            f"p50 {p50:.0f} ms, p99 {self.p99:.0f} ms"
        )


async def opened(target: targets.Target, count: int, ears: Ears) -> list[Connection]:
    """Subscribed connections, one after the other in ten lanes."""
    passes = target.passes(count)

    async def lane(some: Sequence[str]) -> list[Connection]:
        return [await target.listen(token, ears.hear, "127.0.0.1") for token in some]

    lanes = await asyncio.gather(*(lane(passes[first::LANES]) for first in range(LANES)))
    return [connection for some in lanes for connection in some]


async def listen(
    target: targets.Target, count: int, per_s: float, seconds: float, warm_up_s: float = WARM_UP_S
) -> Heard:
    """What `count` subscribers heard."""
    ears = Ears()
    found = await opened(target, count, ears)
    gc.freeze()
    if warm_up_s:
        await _publish(target, per_s, int(per_s * warm_up_s), ears, count)
    ears.latencies, before = array("d"), target.cpu_s()
    expected = await _publish(target, per_s, int(per_s * seconds), ears, count)
    heard = Heard(
        ears.latencies,
        len(ears.latencies) / expected,
        sum(each.problems for each in found),
        target.cpu_s() - before,
    )
    for each in found:
        each.transport.abort()
    return heard


async def _publish(
    target: targets.Target, per_s: float, count: int, ears: Ears, subscribers: int
) -> int:
    """Publishes from another process and waits for all of it; how much should have come."""
    start, expected = time.perf_counter() + LEAD_S, count * subscribers
    writer = target.publish(per_s, count, start)
    deadline = start + count / per_s + PATIENCE_S
    while len(ears.latencies) < expected and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(writer.wait)
    return expected


def rows(asked: argparse.Namespace) -> list[report.Row]:
    """Those of one run."""
    what = f"one stream, {asked.subscribers} subscribers, {asked.rate:.0f} messages/s"
    try:
        with targets.opened(asked.server) as target:
            numbers = asked.subscribers, asked.rate, asked.seconds, asked.warm_up
            heard: Heard = report.run(lambda: listen(target, *numbers))
    except NotMeasured as error:
        return [report.Row(what, f"not measured: {error}", on=asked.server)]
    limit = GOALS_MS.get(asked.server)
    whole = heard.share == 1 and heard.problems == 0
    met = whole and heard.p99 <= limit if limit else None
    each = heard.cpu_s / max(1, len(heard.latencies)) * 1e6
    return [
        report.Row(what, str(heard), GOAL, met, asked.server),
        report.Row("CPU of the server for a delivery", f"{each:.1f} µs", on=asked.server),
    ]


def main() -> None:
    """Runs once and prints a table in Markdown."""
    numbers = {"subscribers": 1_000, "rate": 50.0, "seconds": 20.0, "warm_up": WARM_UP_S}
    asked = report.arguments(__doc__, targets.NAMES, **numbers)
    report.finish(rows(asked), asked)


if __name__ == "__main__":
    main()
