"""Servers that say what a test wants, and the client that talks with them."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from rtai_client import Client, Token

Talk = Callable[[ServerConnection], Awaitable[None]]
WELCOME = {"type": "welcome", "session": "s", "heartbeat_s": 25, "max_frame_bytes": 65536}


class Tokens:
    """Counts what was asked for."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[bool] = []
        self.error = error

    async def __call__(self, fresh: bool) -> Token:
        self.asked.append(fresh)
        if self.error:
            raise self.error
        return Token(f"t{len(self.asked)}", time.time() + 600)


async def say(socket: ServerConnection, *frames: Any) -> None:
    await socket.send("\n".join(json.dumps(frame) for frame in frames))


async def hear(socket: ServerConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await socket.recv())
    return found


def subscribed(frame: dict[str, Any], offset: int = 0, recovered: bool = True) -> dict[str, Any]:
    place = {"epoch": "e", "offset": offset, "recovered": recovered, "running": []}
    return {"type": "subscribed", "stream": frame["stream"], **place}


def message(offset: int) -> dict[str, Any]:
    place = {"stream": "lobby", "epoch": "e", "offset": offset}
    return {"type": "message", **place, "id": f"m{offset}", "text": str(offset)}


@asynccontextmanager
async def served(*talks: Talk, **options: Any) -> AsyncIterator[str]:
    """A server that has one talk with each connection, the last one with all that follow."""
    waiting = list(talks)

    async def handle(socket: ServerConnection) -> None:
        talk = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        await say(socket, WELCOME)
        await talk(socket)

    async with serve(handle, "127.0.0.1", 0, **options) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def client(url: str, tokens: Tokens | None = None, **options: Any) -> Client:
    return Client(url, tokens or Tokens(), random=lambda: 0, **options)


async def silence(socket: ServerConnection) -> None:
    await socket.wait_closed()
