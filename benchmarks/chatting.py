"""Chat as load: texts, and connections that send them and take the time of each verdict.

In a closed loop each client keeps a number of messages under way; in an open loop messages have
their times, and a latency counts from that time, whatever delayed the sending.
"""

import asyncio
import json
import random
import time

import httpx
from websockets.asyncio.client import ClientConnection, connect

PATIENCE_S = 60

WORDS = (
    "the a we you they is are was good morning evening friend game match team river music film "
    "today tomorrow really maybe never always think know want play watch listen great small new"
)


def texts(count: int, seed: int = 7) -> list[str]:
    """Chat-like texts of 3 to 20 words."""
    dice = random.Random(seed)  # noqa: S311 - the same texts in every run
    words = WORDS.split()
    return [" ".join(dice.choices(words, k=dice.randint(3, 20))) for _ in range(count)]


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
    rate = len(load.total) / (time.perf_counter() - started)
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
    async with asyncio.timeout(PATIENCE_S):
        while len(load.total) + load.errors < len(found):
            await asyncio.sleep(0.01)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*(socket.close() for socket in sockets))
    return load
