"""Three times as many messages as can be judged: who is refused, and what happens to the others.

Measures what one worker can judge, then sends three times as much at a steady rate, whatever comes
back. Nobody tries again. A message counts as judged when models decided it, and as missed when its
deadline came first and the fail mode did.

    python -m benchmarks.overload [--seconds 30] [--times 3 | --per-s 600]
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator

from websockets.asyncio.client import ClientConnection

from benchmarks import report
from benchmarks.chatting import closed_loop, open_sockets, texts
from benchmarks.products import started

CLIENTS = 50
SETTLE_S = 120


class Fates:
    """What became of each message; latencies in seconds."""

    def __init__(self) -> None:
        self.sent: dict[str, float] = {}
        self.accepted: dict[str, float] = {}
        self.refused: list[float] = []
        self.judged: list[float] = []
        self.missed: list[float] = []
        self.waits_ms: list[int] = []

    @property
    def settled(self) -> int:
        """Messages of which nothing more will be heard."""
        return len(self.refused) + len(self.judged) + len(self.missed)

    def take(self, data: str) -> None:
        """Notes what came."""
        now = time.perf_counter()
        for line in data.split("\n"):
            frame = json.loads(line)
            match frame["type"]:
                case "accepted":
                    self.accepted[frame["id"]] = now
                case "verdict":
                    rules = {reason["rule"] for reason in frame["reasons"]}
                    fate = self.missed if "undecided" in rules else self.judged
                    fate.append(now - self.accepted[frame["id"]])
                case "error":
                    self.refused.append(now - self.sent[frame["ref"]])
                    self.waits_ms.append(frame.get("retry_after_ms", 0))


async def overload(url: str, per_s: float, found: list[str]) -> Fates:
    """Sends all texts at this rate, and waits until the fate of each is known."""
    fates = Fates()
    sockets = await open_sockets(url, CLIENTS)

    async def read(socket: ClientConnection) -> None:
        async for data in socket:
            fates.take(str(data))
            if '"type":"ping"' in str(data):
                await socket.send('{"type":"pong"}')

    readers = [asyncio.create_task(read(socket)) for socket in sockets]
    begun = time.perf_counter()
    for number, text in enumerate(found):
        intended = begun + number / per_s
        await asyncio.sleep(max(0.0, intended - time.perf_counter()))
        ref = f"o{number}"
        fates.sent[ref] = intended
        frame = {"type": "message", "stream": "lobby", "ref": ref, "text": text}
        await sockets[number % CLIENTS].send(json.dumps(frame))
    async with asyncio.timeout(SETTLE_S):
        while fates.settled < len(found):
            await asyncio.sleep(0.05)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*(socket.close() for socket in sockets))
    return fates


def main() -> None:
    """Runs everything once and prints a table in Markdown."""
    asked = report.arguments(__doc__, seconds=30.0, times=3.0, per_s=0.0)
    with started(asked.server) as product:
        capacity, _ = asyncio.run(closed_loop(product.url, CLIENTS, 8, texts(2_000)))
        per_s = asked.per_s or asked.times * capacity
        found = texts(int(per_s * asked.seconds))
        fates = asyncio.run(overload(product.url, per_s, found))
    report.finish(list(_rows(asked, capacity, fates)), asked)


def _rows(asked: argparse.Namespace, capacity: float, fates: Fates) -> Iterator[report.Row]:
    offered = fates.settled / asked.seconds
    on = f"{offered:.0f}/s, with a capacity of {capacity:.0f}/s, on {asked.server}"
    accepted, p = len(fates.judged) + len(fates.missed), report.quantile
    missed = len(fates.missed) / max(1, accepted)
    yield report.Row(f"accepted of {fates.settled} sent at {on}", f"{accepted}")
    yield report.Row(
        "accepted, but not judged before the deadline",
        f"{len(fates.missed)} ({missed:.1%})",
        "< 1 %",
        missed < 0.01,
    )
    yield report.Row("judged a second", f"{len(fates.judged) / asked.seconds:.0f}/s")
    yield report.Row(
        "accepted to verdict, of the judged",
        f"p50 {p(fates.judged, 0.5):,.0f} ms, p99 {p(fates.judged, 0.99):,.0f} ms",
    )
    waits = [wait / 1000 for wait in fates.waits_ms]
    yield report.Row(
        "refused: answered after; told to wait",
        f"p99 {p(fates.refused, 0.99):,.0f} ms; p50 {p(waits, 0.5):,.0f} ms",
    )


if __name__ == "__main__":
    main()
