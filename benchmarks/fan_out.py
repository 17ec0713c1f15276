"""Many subscribers of one stream, at a fixed rate: nothing is judged, fan-out is measured alone.

The load generator and the publisher are processes of their own; a latency counts from the time
at which a message was to be published, whatever delayed it.

    python -m benchmarks.fan_out [--server daphne] [--subscribers 1000] [--rate 50] [--seconds 20]
"""

import asyncio
import gc
import time
from array import array

from benchmarks import publishing, report
from benchmarks.connections import Connection, connect, subscribe
from benchmarks.products import STREAM, gateway, redis_url, started, tokens
from tests.product import Product

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


async def listen(product: Product, subscribers: int, per_s: float, seconds: float) -> report.Row:
    """The row of one run."""
    ears = Ears()
    found = await opened(product.port, tokens(product, subscribers), ears)
    gc.freeze()
    await publish(product, per_s, int(per_s * WARM_UP_S), ears, subscribers)
    ears.latencies = array("d")
    expected = await publish(product, per_s, int(per_s * seconds), ears, subscribers)
    delivered, problems = len(ears.latencies), sum(each.problems for each in found)
    for each in found:
        each.transport.abort()
    return _row(product.environ["RTAI_SERVER"], ears, delivered / expected, problems, per_s)


async def publish(product: Product, per_s: float, count: int, ears: Ears, subscribers: int) -> int:
    """Publishes from another process and waits for all of it; how much should have come."""
    start, expected = time.perf_counter() + 1.5, count * subscribers
    writer = publishing.process(redis_url(product), per_s, count, start)
    deadline = start + count / per_s + PATIENCE_S
    while len(ears.latencies) < expected and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    writer.wait()
    return expected


def _row(server: str, ears: Ears, share: float, problems: int, per_s: float) -> report.Row:
    found = sorted(ears.latencies)
    p50, p99 = report.quantile(found, 0.5), report.quantile(found, 0.99)
    goal = GOALS_MS[server]
    value = f"{share:.2%} delivered, {problems} out of order; p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    return report.Row(
        f"one stream, {per_s:.0f} messages/s, on {server}",
        value,
        f"100 %, p99 ≤ {goal} ms",
        share == 1 and problems == 0 and p99 <= goal,
    )


def main() -> None:
    """Runs once and prints a table in Markdown."""
    asked = report.arguments(__doc__, subscribers=1_000, rate=50.0, seconds=20.0)
    with started(asked.server) as product:
        before = sum(gateway(product).cpu_times()[:2])
        row = report.run(lambda: listen(product, asked.subscribers, asked.rate, asked.seconds))
        used = sum(gateway(product).cpu_times()[:2]) - before
    cpu = report.Row("CPU of the server for the whole run", f"{used:.1f} s")
    report.finish([row, cpu], asked)


if __name__ == "__main__":
    main()
