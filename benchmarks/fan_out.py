"""Many subscribers of one stream, at a fixed rate: nothing is judged, fan-out is measured alone.

The load generator and the publisher are processes of their own; a latency counts from the time
at which a message was to be published, whatever delayed it.

    python -m benchmarks.fan_out [--server daphne|uvicorn] [--rate 50]
"""

import asyncio
import gc
import time
from array import array
from dataclasses import dataclass

from benchmarks import publishing, report
from benchmarks.connections import Connection, connect, subscribe
from benchmarks.products import STREAM, cpu_s, redis_url, started, tokens

GOALS_MS = {"daphne": 50, "uvicorn": 25}
MARK = b'"text":"' + publishing.SENT.encode()
WARM_UP_S = 2
PATIENCE_S = 30


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


async def opened(port: int, passes: list[str], ears: Ears) -> list[Connection]:
    """Subscribed connections, one after the other in ten lanes."""

    async def lane(some: list[str]) -> list[Connection]:
        found = []
        for token in some:
            found.append(await connect(port, token, ears.hear))
            await subscribe(found[-1], STREAM)
        return found

    lanes = await asyncio.gather(*(lane(passes[first::10]) for first in range(10)))
    return [connection for some in lanes for connection in some]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where it is measured."""

    name: str
    port: int
    redis_url: str
    goal_ms: int

    async def listen(self, passes: list[str], per_s: float, seconds: float) -> report.Row:
        """The row of one run."""
        ears = Ears()
        found = await opened(self.port, passes, ears)
        gc.freeze()
        await self._publish(per_s, int(per_s * WARM_UP_S), ears, len(passes))
        ears.latencies = array("d")
        expected = await self._publish(per_s, int(per_s * seconds), ears, len(passes))
        share, problems = len(ears.latencies) / expected, sum(each.problems for each in found)
        for each in found:
            each.transport.abort()
        return self._row(ears, share, problems, f"{len(passes)} subscribers, {per_s:.0f}/s")

    async def _publish(self, per_s: float, count: int, ears: Ears, subscribers: int) -> int:
        """Publishes from another process and waits for all of it; how much should have come."""
        start, expected = time.perf_counter() + 1.5, count * subscribers
        writer = publishing.process(self.redis_url, per_s, count, start)
        deadline = start + count / per_s + PATIENCE_S
        while len(ears.latencies) < expected and time.perf_counter() < deadline:
            await asyncio.sleep(0.05)
        writer.wait()
        return expected

    def _row(self, ears: Ears, share: float, problems: int, what: str) -> report.Row:
        found = sorted(ears.latencies)
        p50, p99 = report.quantile(found, 0.5), report.quantile(found, 0.99)
        value = f"{share:.2%}, {problems} out of order; p50 {p50:.0f} ms, p99 {p99:.0f} ms"
        about = f"one stream, {what}, on {self.name}"
        met = share == 1 and problems == 0 and p99 <= self.goal_ms
        return report.Row(about, value, f"100 %, p99 ≤ {self.goal_ms} ms", met)


def main() -> None:
    """Runs once and prints a table in Markdown."""
    asked = report.arguments(__doc__, subscribers=1_000, rate=50.0, seconds=20.0)
    with started(asked.server) as product:
        stage = Stage(asked.server, product.port, redis_url(product), GOALS_MS[asked.server])
        passes, before = tokens(product, asked.subscribers), cpu_s(product)
        row = report.run(lambda: stage.listen(passes, asked.rate, asked.seconds))
        used = cpu_s(product) - before
    sent = asked.subscribers * asked.rate * (asked.seconds + WARM_UP_S)
    cost = report.Row(f"CPU of {asked.server} for a delivery", f"{used / sent * 1e6:.1f} µs")
    report.finish([row, cost], asked)


if __name__ == "__main__":
    main()
