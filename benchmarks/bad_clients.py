"""Clients that hurt: one kind never reads, the other floods; what each costs the server.

Memory is the peak of the server's resident memory over what it was before, for each bad client;
the time runs from the first frame that the client does not read, or that is too much.

    python -m benchmarks.bad_clients [--server daphne] [--clients 10]
"""

import asyncio
import socket
import time

import psutil

from benchmarks import publishing, report
from benchmarks.connections import Connection, Refused, connect, subscribe
from benchmarks.products import STREAM, gateway, redis_url, resident, started, tokens
from streams.closes import CloseCode
from tests.product import Product

MIB = 2**20
NEVER_READS_MIB, FLOODS_MIB, WITHIN_S = 2, 5, 5.0
TEXT = 8_000
PER_S = 250.0
FOR_S = 7.0
LEAD_S = 3.0
FLOOD_FRAME = "x" * 65_000
FLOOD_FRAMES = 400


class Peak:
    """The most memory that a process had in use while this was watching."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.before = self.most = resident(process)

    async def watch(self) -> None:
        """Looks every 20 ms until it is cancelled."""
        while True:
            self.most = max(self.most, resident(self._process))
            await asyncio.sleep(0.02)

    @property
    def grown(self) -> int:
        """Bytes over what it was at first."""
        return self.most - self.before


async def mute(port: int, token: str) -> Connection:
    """A subscriber with small buffers that reads nothing any more."""
    found = await connect(port, token)
    await subscribe(found, STREAM)
    found.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    found.transport.pause_reading()
    return found


async def never_read(product: Product, clients: int) -> report.Row:
    """Mute clients beside a good one, in a stream with 2 MB/s."""
    first, *others = tokens(product, clients + 1)
    good = await connect(product.port, first)
    await subscribe(good, STREAM)
    # Kept: nothing else refers to a transport that reads nothing, and it would be closed.
    muted = [await mute(product.port, token) for token in others]
    peak, start, count = Peak(gateway(product)), time.perf_counter() + LEAD_S, int(PER_S * FOR_S)
    watching = asyncio.create_task(peak.watch())
    writer = publishing.process(redis_url(product), PER_S, count, start, TEXT)
    gone = await cut_off(product, clients, start)
    while good.frames < count and time.perf_counter() < start + 30:
        await asyncio.sleep(0.05)
    watching.cancel()
    await asyncio.to_thread(writer.wait)
    for each in muted:
        each.transport.abort()
    return _never_read_row(peak.grown / clients / MIB, gone, good, count, product)


async def cut_off(product: Product, clients: int, start: float) -> float:
    """Seconds until only the good client's connection is left."""
    port = product.port
    while time.perf_counter() < start + 30:
        held = [
            each
            for each in gateway(product).net_connections("tcp")
            if each.status == psutil.CONN_ESTABLISHED and each.laddr.port == port
        ]
        if len(held) <= 1:
            break
        await asyncio.sleep(0.05)
    return time.perf_counter() - start


def _never_read_row(
    each: float, gone: float, good: Connection, count: int, product: Product
) -> report.Row:
    lost = count - good.frames + good.problems
    return report.Row(
        "client that never reads",
        f"{each:.2f} MiB, cut off after {gone:.1f} s; its neighbour lost {lost} of {count} frames",
        f"≤ {NEVER_READS_MIB} MiB, 4008 within {WITHIN_S:.0f} s",
        each <= NEVER_READS_MIB and gone <= WITHIN_S and not lost,
        product.environ["RTAI_SERVER"],
    )


async def flood(product: Product, clients: int) -> report.Row:
    """Clients that send 64 KiB frames as fast as they can, one after the other."""
    costs, times, codes = list[int](), list[float](), set[int]()
    for token in tokens(product, clients, first=100):
        connection = await connect(product.port, token)
        peak, start = Peak(gateway(product)), time.perf_counter()
        watching = asyncio.create_task(peak.watch())
        for _ in range(FLOOD_FRAMES):
            connection.send(FLOOD_FRAME)
        await until_closed(connection, start)
        watching.cancel()
        costs.append(peak.grown)
        times.append(time.perf_counter() - start)
        codes.add(connection.close_code)
    worst, slowest = max(costs) / MIB, max(times)
    return report.Row(
        "client that floods",
        f"{worst:.2f} MiB, closed {sorted(codes)} after {slowest:.1f} s",
        f"≤ {FLOODS_MIB} MiB, 4013 within {WITHIN_S:.0f} s",
        worst <= FLOODS_MIB and slowest <= WITHIN_S and codes == {CloseCode.FLOODING},
        product.environ["RTAI_SERVER"],
    )


async def until_closed(connection: Connection, start: float) -> None:
    """Returns when a close frame or the connection's end came, 30 s after `start` at the latest."""
    while not (connection.close_code or connection.closed):
        if time.perf_counter() > start + 30:
            raise Refused("never closed")
        await asyncio.sleep(0.01)
    connection.transport.abort()


async def measure(product: Product, clients: int) -> list[report.Row]:
    """The rows of one run, in a process that served nobody before."""
    return [await flood(product, clients), await never_read(product, clients)]


def main() -> None:
    """Runs once and prints a table in Markdown."""
    asked = report.arguments(__doc__, clients=10)
    with started(asked.server) as product:
        rows = report.run(lambda: measure(product, asked.clients))
    report.finish(rows, asked)


if __name__ == "__main__":
    main()
