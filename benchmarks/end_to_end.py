"""Messages judged end to end over WebSocket, against the same texts through a bare loop.

Starts the product with one worker, chats through the real door from this process, and runs the
same texts through the same models in a loop of its own process. Two shared cores carry the load
generator, the server, the worker and Valkey; the ratio within one run is what counts.

    python -m benchmarks.end_to_end [--clients 50] [--seconds 10]
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import random
import time

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import report
from benchmarks.products import started
from tests.product import ROOT

WORDS = (
    "the a we you they is are was good morning evening friend game match team river music film "
    "today tomorrow really maybe never always think know want play watch listen great small new"
)


def texts(count: int, seed: int = 7) -> list[str]:
    """Chat-like texts of 3 to 20 words."""
    dice = random.Random(seed)  # noqa: S311 - the same texts in every run
    words = WORDS.split()
    return [" ".join(dice.choices(words, k=dice.randint(3, 20))) for _ in range(count)]


def bare_loop(count: int, batch: int) -> float:
    """Texts a second through both shipped models, in batches, in a process of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_bare_loop, (count, batch)))


def _bare_loop(count: int, batch: int) -> float:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from inference import versions
    from inference.runtime_onnx import OnnxRuntime

    folders = sorted((ROOT / "plugins" / "models").iterdir())
    runtimes = [OnnxRuntime(folder, versions.load(folder)) for folder in folders]
    found = texts(count)
    for runtime in runtimes:
        runtime.run(found[:batch])
    started = time.perf_counter()
    for start in range(0, count, batch):
        for runtime in runtimes:
            runtime.run(found[start : start + batch])
    return count / (time.perf_counter() - started)


class Load:
    """Many connections that send texts and take the time of each verdict.

    Latencies are in seconds; `total` counts from the intended time of sending.
    """

    def __init__(self, found: list[str]) -> None:
        self._texts = iter(enumerate(found))
        self._intended: dict[str, float] = {}
        self._accepted: dict[str, float] = {}
        self.total: list[float] = []
        self.decided: list[float] = []
        self.errors = 0

    async def send_next(self, socket: ClientConnection, intended: float) -> bool:
        """Sends the next text; false when there is none left."""
        number, text = next(self._texts, (0, ""))
        if not text:
            return False
        ref = f"b{number}"
        self._intended[ref] = intended
        frame = {"type": "message", "stream": "lobby", "ref": ref, "text": text}
        await socket.send(json.dumps(frame))
        return True

    def take(self, data: str) -> int:
        """Notes what came; returns how many messages it decided."""
        now, decided = time.perf_counter(), 0
        for line in data.split("\n"):
            frame = json.loads(line)
            if frame["type"] == "accepted":
                self._accepted[frame["id"]] = now
            elif frame["type"] == "verdict":
                self.total.append(now - self._intended.pop(frame["ref"]))
                self.decided.append(now - self._accepted.pop(frame["id"], now))
                decided += 1
            elif frame["type"] == "error":
                self.errors += 1
                decided += 1
        return decided


async def open_sockets(url: str, count: int) -> list[ClientConnection]:
    """Connections of a visitor each; none subscribes, for fan-out is measured elsewhere."""
    address, sockets = url.replace("http", "ws", 1) + "/ws/v1/", []
    async with httpx.AsyncClient(headers={"Origin": url}) as client:
        for _ in range(count):
            found = await client.post(f"{url}/widget/v1/token", json={"site": "pk_demo"})
            protocols = ["rtai.v1", f"rtai.token.{found.json()['token']}"]
            sockets.append(
                await connect(address, subprotocols=protocols, compression=None)  # type: ignore[arg-type]
            )
    return sockets


async def closed_loop(url: str, clients: int, window: int, found: list[str]) -> tuple[float, Load]:
    """Messages judged a second, while each client keeps `window` messages under way."""
    load = Load(found)
    sockets = await open_sockets(url, clients)
    started = time.perf_counter()

    async def one(socket: ClientConnection) -> None:
        under_way = 0
        while under_way < window and await load.send_next(socket, time.perf_counter()):
            under_way += 1
        while under_way:
            decided = load.take(str(await socket.recv()))
            under_way -= decided
            for _ in range(decided):
                under_way += await load.send_next(socket, time.perf_counter())

    await asyncio.gather(*(one(socket) for socket in sockets))
    rate = len(found) / (time.perf_counter() - started)
    await asyncio.gather(*(socket.close() for socket in sockets))
    return rate, load


async def open_loop(url: str, clients: int, per_s: float, found: list[str]) -> Load:
    """Sends at a fixed rate, whatever comes back."""
    load = Load(found)
    sockets = await open_sockets(url, clients)

    async def read(socket: ClientConnection) -> None:
        async for data in socket:
            load.take(str(data))

    readers = [asyncio.create_task(read(socket)) for socket in sockets]
    started = time.perf_counter()
    for number in range(len(found)):
        intended = started + number / per_s
        await asyncio.sleep(max(0.0, intended - time.perf_counter()))
        await load.send_next(sockets[number % clients], intended)
    async with asyncio.timeout(30):
        while len(load.total) + load.errors < len(found):
            await asyncio.sleep(0.01)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*(socket.close() for socket in sockets))
    return load


def main() -> None:
    """Runs everything once and prints a table in Markdown."""
    asked = report.arguments(__doc__, clients=50, messages=6_000)
    found = texts(asked.messages)
    with started(asked.server) as product:
        asyncio.run(closed_loop(product.url, asked.clients, 8, found[:500]))
        rate, _ = asyncio.run(closed_loop(product.url, asked.clients, 8, found))
        half = asyncio.run(open_loop(product.url, asked.clients, rate / 2, found[:3_000]))
    bare, single = bare_loop(asked.messages, 32), bare_loop(asked.messages // 4, 1)
    report.finish(_rows(asked, rate, half, bare, single), asked)


def _rows(
    asked: argparse.Namespace, rate: float, half: Load, bare: float, single: float
) -> list[report.Row]:
    p50, p99 = report.quantile(half.decided, 0.5), report.quantile(half.decided, 0.99)
    sent = report.quantile(half.total, 0.99)
    on = f"{asked.clients} clients, on {asked.server}"
    return [
        report.Row("bare loop, batches of 32", f"{bare:.0f}/s"),
        report.Row("bare loop, one by one", f"{single:.0f}/s"),
        report.Row(f"judged end to end, {on}", f"{rate:.0f}/s"),
        report.Row("end to end / bare loop", f"{rate / bare:.2f}", "≥ 0.8", rate / bare >= 0.8),
        report.Row(
            f"accepted to verdict at half load, on {asked.server}",
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {half.errors} errors",
            "p50 ≤ 15 ms, p99 ≤ 60 ms",
            p50 <= 15 and p99 <= 60 and not half.errors,
        ),
        report.Row("sent to verdict at half load", f"p99 {sent:.1f} ms"),
    ]


if __name__ == "__main__":
    main()
