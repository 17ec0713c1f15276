"""What our way adds to a model's own first token, and how soon a cancelled model stops.

Starts the product and a model server that takes exactly its time (`benchmarks.peers.paced`), and
asks the server directly and through the product by turns: 1, 8 and 32 at once. Then cancels answers
in their middle and compares when the frame left with when the server saw its client hang up.

Both ways are asked once before anything is measured, so that connections are open.

    python -m benchmarks.first_token [--server daphne] [--rounds 40] [--most 32]
"""

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from secrets import token_hex
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks import report
from benchmarks.products import started, tokens
from tests.product import ROOT, Product, free_port, until

CROWDS = (1, 8, 32)
CANCELLED = 12
QUESTION = [{"role": "user", "content": "How are you today?"}]
SHORT = 5
"""Tokens of an answer that is read to its end."""
FEWEST = 5
"""Rounds of a crowd, however large it is."""
ENDS = ("stop", "length", "cancelled", "blocked", "interrupted")
ADDED_MS, CANCEL_MS = 30, 250
GONE_S = 2.0
SET_UP = """
from generation.models import AssistantModelRecord, AssistantRecord
from streams.models import Site
model = AssistantModelRecord.objects.create(
    name="paced", backend="openai", base_url="http://127.0.0.1:{port}/v1")
assistant = AssistantRecord.objects.create(
    name="Paced", default_model=model, memory_tokens=0, trigger="never")
site = Site.objects.get(slug="demo")
site.assistant = assistant
site.save()
"""


@contextlib.contextmanager
def paced() -> Iterator[int]:
    """The port of a running model server."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.peers.paced", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        until(lambda: _answers(port), 10, "the model server")
        yield port
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/gone").status_code == 200
    return False


def set_up(product: Product, port: int) -> None:
    """Makes the model server's model the demo site's."""
    command = [sys.executable, "manage.py", "shell", "-c", SET_UP.format(port=port)]
    quiet = subprocess.DEVNULL
    subprocess.run(command, cwd=ROOT, env=product.environ, check=True, stdout=quiet)


async def direct(client: httpx.AsyncClient) -> float:
    """Seconds to the first token, asked of the server itself."""
    began = time.monotonic()
    body = {"model": "paced", "messages": QUESTION, "stream": True, "max_tokens": SHORT}
    first = 0.0
    async with client.stream("POST", "/v1/chat/completions", json=body) as response:
        async for line in response.aiter_lines():
            if not first and '"content"' in line:
                first = time.monotonic() - began
    return first


class Door:
    """One visitor's connection, heard all the time: a ping may come between two answers."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._heard = asyncio.Queue[tuple[float, dict[str, Any]]]()
        self._hearing = asyncio.create_task(self._hear())

    async def ask(self, cancel: bool = False) -> float:
        """Seconds to the first token, the answer read to its end; or when `cancel` was sent."""
        began, found = time.monotonic(), 0.0
        length = {} if cancel else {"max_tokens": SHORT}
        await self._say(type="generate", ref=token_hex(8), messages=QUESTION, **length)
        while True:
            at, frame = await self._heard.get()
            if frame["type"] == "token" and not found:
                found = at - began
                if cancel:
                    found = time.monotonic()
                    await self._say(type="cancel", id=frame["id"])
            elif frame["type"] == "done":
                return found
            elif frame["type"] == "error":
                raise RuntimeError(str(frame))

    def close(self) -> None:
        """Hears no more."""
        self._hearing.cancel()

    async def _say(self, **frame: object) -> None:
        await self._socket.send(json.dumps(frame))

    async def _hear(self) -> None:
        async for text in self._socket:
            now = time.monotonic()
            for frame in map(json.loads, str(text).split("\n")):
                if frame["type"] == "ping":
                    await self._say(type="pong")
                else:
                    self._heard.put_nowait((now, frame))
        self._heard.put_nowait((0.0, {"type": "error", "detail": "The connection ended."}))


async def compare(product: Product, port: int, rounds: int, most: int) -> list[report.Row]:
    """The rows of all crowds that are not too large, and of cancelling."""
    async with contextlib.AsyncExitStack() as stack:
        limits = httpx.Limits(max_connections=64)
        base = f"http://127.0.0.1:{port}"
        client = httpx.AsyncClient(base_url=base, limits=limits, timeout=30)
        await stack.enter_async_context(client)
        rows = []
        for crowd in filter(lambda crowd: crowd <= most, CROWDS):
            async with _doors(product, crowd) as doors:
                rows += await _crowd(client, doors, min(rounds, max(FEWEST, rounds // crowd)))
        async with _doors(product, 1) as doors:
            rows.append(await _cancelling(client, doors[0], min(rounds, CANCELLED)))
        return [*rows, *_counted(product)]


@contextlib.asynccontextmanager
async def _doors(product: Product, count: int) -> AsyncIterator[list[Door]]:
    """Connections that were answered once."""
    async with contextlib.AsyncExitStack() as stack:
        doors = [
            Door(await stack.enter_async_context(_socket(product, token)))
            for token in tokens(product, count)
        ]
        for door in doors:
            stack.callback(door.close)
        await asyncio.gather(*(door.ask() for door in doors))
        yield doors


def _socket(product: Product, token: str) -> connect:
    return connect(
        f"{product.url.replace('http', 'ws')}/ws/v1/",
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=["rtai.v1"],  # type: ignore[list-item]
        ping_interval=None,
    )


async def _crowd(client: httpx.AsyncClient, doors: list[Door], rounds: int) -> list[report.Row]:
    plain: list[float] = []
    ours: list[float] = []
    await asyncio.gather(*(direct(client) for _ in doors))
    for _ in range(rounds):
        plain += await asyncio.gather(*(direct(client) for _ in doors))
        ours += await asyncio.gather(*(door.ask() for door in doors))
    rows = []
    for share in (0.5, 0.95):
        added = report.quantile(ours, share) - report.quantile(plain, share)
        value = f"{added:.1f} ms ({report.quantile(ours, share):.0f} against "
        value += f"{report.quantile(plain, share):.0f})"
        goal = share > 0.5
        what = f"first token over the backend's own, {len(doors)} at once, p{share * 100:.0f}"
        met = added <= ADDED_MS if goal else None
        rows.append(report.Row(what, value, f"≤ {ADDED_MS} ms" if goal else "", met))
    return rows


async def _cancelling(client: httpx.AsyncClient, door: Door, rounds: int) -> report.Row:
    what = "cancel → the model's server sees its client leave, p95"
    goal, before = f"≤ {CANCEL_MS} ms", len(await _gone(client))
    sent = [await door.ask(cancel=True) for _ in range(rounds)]
    deadline = time.monotonic() + GONE_S
    while len(gone := (await _gone(client))[before:]) < rounds and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    if len(gone) != rounds:  # Others were over before they could be cancelled.
        return report.Row(what, f"{len(gone)} of {rounds} left early", goal, False)
    took = [end - begin for begin, end in zip(sent, gone, strict=True)]
    worst = report.quantile(took, 0.95)
    return report.Row(what, f"{worst:.0f} ms", goal, worst <= CANCEL_MS)


def _counted(product: Product) -> list[report.Row]:
    """What the product's own metrics say of all these answers."""
    text = httpx.get(f"{product.url}/metrics").text
    ends = [f"{end} {_sum(text, 'rtai_generations_total', end):.0f}" for end in ENDS]
    wait = "rtai_generation_queue_wait_seconds"
    mean = 1000 * _sum(text, f"{wait}_sum") / max(1.0, _sum(text, f"{wait}_count"))
    return [
        report.Row("answers by their end", ", ".join(ends)),
        report.Row("an answer waits for its worker, mean", f"{mean:.1f} ms"),
    ]


def _sum(text: str, name: str, label: str = "") -> float:
    """Of all lines of a metric that have this label."""
    lines = [line for line in text.splitlines() if re.match(rf"{name}[{{ ]", line)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if f'"{label}"' in line or not label)


async def _gone(client: httpx.AsyncClient) -> list[float]:
    """When clients hung up on the model server."""
    found: list[float] = (await client.get("/gone")).json()
    return found


def main(asked: argparse.Namespace) -> None:
    """Starts both, and measures."""
    with paced() as port, started(asked.server, RTAI_GENERATION_WORKERS="1") as product:
        set_up(product, port)
        time.sleep(1.5)  # Every process reads the assistant at most a second later.
        report.finish(report.run(lambda: compare(product, port, asked.rounds, asked.most)), asked)


if __name__ == "__main__":
    main(report.arguments(__doc__, rounds=40, most=max(CROWDS)))
