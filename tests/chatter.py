"""A client that chats through the real door and remembers all it saw."""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.faults.views import View

Frame = dict[str, Any]


@dataclass
class Seen:
    """Everything one visitor saw, over all its connections."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Message ids by `ref`."""
    verdicts: dict[str, set[str]] = field(default_factory=dict)
    """Actions by message id; more than one action for an id is a fault."""
    offsets: list[int] = field(default_factory=list)
    shown: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    epochs: set[str] = field(default_factory=set)
    lost: int = 0
    """How often a reconnect could not recover."""
    view: View = field(default_factory=View)
    """The same, frame by frame, with what was wrong."""


class Chatter:
    """Keeps a session alive over failures, as the widget does."""

    def __init__(self, url: str, stream: str = "lobby", name: str = "Ada") -> None:
        self.url = url
        self.stream = stream
        self.name = name
        self.seen = Seen(view=View(name))
        self.unanswered: dict[str, str] = {}
        """Texts by `ref` that no `accepted` answered yet."""
        self._token: str | None = None
        self._socket: ClientConnection | None = None
        self._position: Frame | None = None
        self._subscribed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._repeats: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        await asyncio.wait_for(self._subscribed.wait(), 30)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def say(self, ref: str, text: str) -> None:
        """Sends a message, or keeps it until the connection is back."""
        self.unanswered[ref] = text
        if self._socket is not None:
            self.seen.view.sent(ref)
        await self._send({"type": "message", "stream": self.stream, "ref": ref, "text": text})

    async def until(self, condition: Any, within_s: float = 30) -> None:
        """Waits for a condition on what was seen."""
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.02)

    async def drop(self) -> None:
        """Loses the connection without a word; it comes back by itself."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(
                OSError, WebSocketException, InvalidHandshake, httpx.HTTPError, TimeoutError
            ):
                await self._connect_once()
            self._socket = None
            await asyncio.sleep(random.uniform(0.2, 0.6))  # noqa: S311

    async def _connect_once(self) -> None:
        token = await self._fresh_token()
        address = self.url.replace("http", "ws", 1) + "/ws/v1/"
        protocols = ["rtai.v1", f"rtai.token.{token}"]
        async with connect(address, subprotocols=protocols, open_timeout=10) as socket:  # type: ignore[arg-type]
            self._socket = socket
            self.seen.view.connected()
            since = {"since": self._position} if self._position else {"recent": 0}
            await self._send({"type": "subscribe", "stream": self.stream, **since})
            async for data in socket:
                for line in str(data).split("\n"):
                    await self._receive(json.loads(line))

    async def _fresh_token(self) -> str:
        body = {"site": "pk_demo", "name": self.name}
        if self._token:
            body["previous"] = self._token
        async with httpx.AsyncClient(timeout=10) as client:
            found = await client.post(
                f"{self.url}/widget/v1/token", json=body, headers={"Origin": self.url}
            )
        found.raise_for_status()
        self._token = str(found.json()["token"])
        return self._token

    async def _send(self, frame: Frame) -> None:
        if self._socket is not None:
            with contextlib.suppress(WebSocketException, OSError):
                await self._socket.send(json.dumps(frame))

    async def _receive(self, frame: Frame) -> None:
        self.seen.view.take(frame)
        handler = getattr(self, f"_on_{frame['type']}", None)
        if handler is not None:
            await handler(frame)

    async def _on_ping(self, _: Frame) -> None:
        await self._send({"type": "pong"})

    async def _on_subscribed(self, frame: Frame) -> None:
        if self._position is not None and not frame["recovered"]:
            self.seen.lost += 1
        if self._position is None or not frame["recovered"]:
            self._position = {"epoch": frame["epoch"], "offset": frame["offset"]}
        self._subscribed.set()
        for ref, text in list(self.unanswered.items()):
            await self.say(ref, text)

    async def _on_accepted(self, frame: Frame) -> None:
        before = self.seen.accepted.setdefault(frame["ref"], frame["id"])
        assert before == frame["id"], "The same ref got two ids."
        self.unanswered.pop(frame["ref"], None)

    async def _on_verdict(self, frame: Frame) -> None:
        self.seen.verdicts.setdefault(frame["id"], set()).add(frame["action"])

    async def _on_message(self, frame: Frame) -> None:
        self.seen.shown[frame["id"]] += 1
        self.seen.offsets.append(frame["offset"])
        self.seen.epochs.add(frame["epoch"])
        self._position = {"epoch": frame["epoch"], "offset": frame["offset"]}

    async def _on_error(self, frame: Frame) -> None:
        self.seen.errors[frame["code"]] += 1
        if frame.get("retryable") and (text := self.unanswered.get(frame.get("ref", ""))):
            wait_s = frame.get("retry_after_ms", 500) / 1000
            again = self._say_again(frame["ref"], text, wait_s)
            self._repeats.add(asyncio.create_task(again))

    async def _say_again(self, ref: str, text: str, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        if ref in self.unanswered:
            await self.say(ref, text)


async def chat_steadily(chatter: Chatter, per_s: float, for_s: float, *, first: int = 0) -> int:
    """Sends numbered friendly messages at a steady rate; returns how many."""
    started, count = time.monotonic(), int(per_s * for_s)
    for number in range(count):
        await asyncio.sleep(max(0.0, started + number / per_s - time.monotonic()))
        ref = first + number
        await chatter.say(f"r{ref}", f"Good morning number {ref}, how are you?")
    return count
