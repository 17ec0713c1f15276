"""Idle connections: memory of each, and whether it comes back when all of them change twice.

Every connection is another user, subscribed, and answers heartbeats.

    python -m benchmarks.idle [--server daphne] [--connections 10000]
"""

import asyncio
import time

import redis

from benchmarks import report
from benchmarks.connections import Connection, Refused, connect, subscribe
from benchmarks.products import SITE, STREAM, gateway, redis_url, resident, started, tokens
from streams import keys
from tests.product import Product

GOAL_KIB = 32
GOAL_DRIFT = 0.02
ROUNDS = 3
LANES = 64
SOURCES = 16
SETTLE_S = 5.0
PATIENCE_S = 120


class Crowd:
    """Many connections to one product; `errors` counts those that failed or were closed."""

    def __init__(self, product: Product, size: int) -> None:
        self._product, self._size = product, size
        self._process = gateway(product)
        self._redis = redis.Redis.from_url(redis_url(product))
        self._connections: list[Connection] = []
        self.errors = 0
        self.filled: list[int] = []
        self.seconds: list[float] = []

    async def fill(self) -> None:
        """Opens all and takes the server's memory."""
        began = time.perf_counter()
        passes = list(enumerate(tokens(self._product, self._size)))
        await asyncio.gather(*(self._lane(passes[first::LANES]) for first in range(LANES)))
        self.seconds.append(time.perf_counter() - began)
        await asyncio.sleep(SETTLE_S)
        self.filled.append(resident(self._process))
        self.errors += sum(each.closed for each in self._connections)

    async def empty(self) -> None:
        """Closes all and waits until the server has let them go."""
        for each in self._connections:
            each.transport.abort()
        self._connections.clear()
        deadline = time.perf_counter() + PATIENCE_S
        while self._redis.zcard(keys.sessions(SITE)):
            if time.perf_counter() > deadline:
                raise TimeoutError("Sessions stayed behind.")
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_S)

    async def _lane(self, passes: list[tuple[int, str]]) -> None:
        for number, token in passes:
            source = f"127.0.0.{1 + number % SOURCES}"
            try:
                async with asyncio.timeout(PATIENCE_S):
                    connection = await connect(self._product.port, token, source=source)
                    await subscribe(connection, STREAM)
            except (TimeoutError, Refused, OSError):
                self.errors += 1
            else:
                self._connections.append(connection)


async def measure(product: Product, connections: int) -> list[report.Row]:
    """The rows of one run."""
    warm_up = Crowd(product, 200)
    await warm_up.fill()
    await warm_up.empty()
    before = resident(gateway(product))
    crowd = Crowd(product, connections)
    for number in range(ROUNDS):
        await crowd.fill()
        if number < ROUNDS - 1:
            await crowd.empty()
    return _rows(crowd, before, connections, product.environ["RTAI_SERVER"])


def _rows(crowd: Crowd, before: int, connections: int, server: str) -> list[report.Row]:
    each = (crowd.filled[0] - before) / connections / 1024
    drift = crowd.filled[-1] / crowd.filled[0] - 1
    sizes = ", ".join(f"{size / 2**20:.0f}" for size in crowd.filled)
    rate = connections / min(crowd.seconds)
    return [
        report.Row(
            f"idle connection, subscribed, on {server}",
            f"{each:.1f} KiB",
            f"≤ {GOAL_KIB} KiB",
            each <= GOAL_KIB,
        ),
        report.Row(
            f"{connections} connections, full churn twice, on {server}",
            f"{crowd.errors} errors, {sizes} MiB: drift {drift:+.1%}; opened at up to {rate:.0f}/s",
            "no error, drift < 2 %",
            not crowd.errors and abs(drift) < GOAL_DRIFT,
        ),
    ]


def main() -> None:
    """Runs once and prints a table in Markdown."""
    asked = report.arguments(__doc__, connections=10_000)
    with started(asked.server) as product:
        rows = report.run(lambda: measure(product, asked.connections))
    report.finish(rows, asked)


if __name__ == "__main__":
    main()
