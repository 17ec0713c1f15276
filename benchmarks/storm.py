"""A reconnect storm: many clients come back at once, authenticate, subscribe and recover.

Each was here before, missed the same frames, and is back when it has the last of them. All want
to be back when the storm begins: that is where their wait counts from, also for those whose turn
to connect comes late.

    python -m benchmarks.storm [--server daphne] [--clients 3000] [--missed 20] [--at-once 300]
"""

import asyncio
import gc
import time

from benchmarks import report
from benchmarks.connections import Connection, Refused, connect, subscribe
from benchmarks.products import STREAM, cpu_s, redis_url, started, tokens
from benchmarks.publishing import Publishing
from tests.product import Product

GOAL = 1_000
PATIENCE_S = 60


class Storm:
    """Clients that return from one position."""

    def __init__(self, port: int, epoch: str, offset: int, last: int) -> None:
        self._port, self._epoch, self._offset, self._last = port, epoch, offset, last
        self.began = time.perf_counter()
        self.waits: list[float] = []
        self.errors: dict[str, int] = {}
        self.connections: list[Connection] = []

    async def come_back(self, token: str) -> None:
        """One client, from its TCP connection to the last missed frame."""
        done = asyncio.Event()

        def heard(connection: Connection, line: bytes, now: float) -> None:
            if connection.last >= self._last:
                done.set()

        try:
            async with asyncio.timeout(PATIENCE_S):
                connection = await connect(self._port, token, heard)
                connection.epoch, connection.last = self._epoch, self._offset
                self.connections.append(connection)
                await subscribe(connection, STREAM, self._offset)
                await done.wait()
        except (TimeoutError, Refused, OSError) as error:
            self.errors[repr(error)] = self.errors.get(repr(error), 0) + 1
            return
        self.waits.append(time.perf_counter() - self.began)

    def problems(self) -> int:
        """Frames out of order, or clients that did not get each missed frame once."""
        missed = self._last - self._offset
        return sum(each.problems + (each.frames != missed) for each in self.connections)


async def position(product: Product) -> tuple[str, int]:
    """Where the stream is now."""
    connection = await connect(product.port, tokens(product, 1, first=1_000_000)[0])
    await subscribe(connection, STREAM)
    connection.transport.abort()
    return connection.epoch, connection.last


async def blow(product: Product, clients: int, missed: int, at_once: int) -> list[report.Row]:
    """The rows of one storm."""
    epoch, offset = await position(product)
    publishing = Publishing(redis_url(product))
    for number in range(missed):
        publishing.publish(f"missed {number}".ljust(120, "."))
    storm, gate = Storm(product.port, epoch, offset, offset + missed), asyncio.Semaphore(at_once)

    async def one(token: str) -> None:
        async with gate:
            await storm.come_back(token)

    passes = tokens(product, clients)
    gc.freeze()
    storm.began = time.perf_counter()
    await asyncio.gather(*map(one, passes))
    took = time.perf_counter() - storm.began
    problems = storm.problems()
    for each in storm.connections:
        each.transport.abort()
    return _rows(storm, clients, took, problems, product.environ["RTAI_SERVER"])


def _rows(storm: Storm, clients: int, took: float, problems: int, server: str) -> list[report.Row]:
    rate, bad = len(storm.waits) / took, sum(storm.errors.values()) + problems
    p50, p99 = report.quantile(storm.waits, 0.5), report.quantile(storm.waits, 0.99)
    value = f"{rate:.0f}/s, {bad} errors; from the storm's start p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    met = rate >= GOAL and not bad
    what = f"reconnect storm of {clients} clients: authenticate, subscribe, recover"
    rows = [report.Row(what, value, f"≥ {GOAL}/s, no error", met, server)]
    return rows + [
        report.Row(f"error {what}", str(count), on=server) for what, count in storm.errors.items()
    ]


def main() -> None:
    """Runs once and prints a table in Markdown."""
    asked = report.arguments(__doc__, clients=3_000, missed=20, at_once=300)
    with started(asked.server) as product:
        before = cpu_s(product)
        rows = report.run(lambda: blow(product, asked.clients, asked.missed, asked.at_once))
        each = (cpu_s(product) - before) / asked.clients
    cost = report.Row("CPU for a returning client", f"{each * 1e3:.2f} ms", on=asked.server)
    report.finish([*rows, cost], asked)


if __name__ == "__main__":
    main()
