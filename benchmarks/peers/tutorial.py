"""The architecture that tutorials teach: FastAPI, one Redis subscription for each WebSocket, a list
of jobs, and a worker that judges one text at a time with the same models.

It speaks enough of the product's protocol to be measured by the same load generator, and leaves
out all that costs time: tokens are not checked, nothing is limited, kept or written down.

    python -m benchmarks.peers.tutorial serve SOCKET PORT [WORKERS LOOP HTTP WEBSOCKET]
    python -m benchmarks.peers.tutorial work SOCKET
    python -m benchmarks.peers.tutorial publish SOCKET RATE COUNT START SIZE
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any, cast
from uuid import uuid4

import redis
import redis.asyncio
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from benchmarks import bare
from benchmarks.pacing import at_rate
from benchmarks.peers.settings import Settings

SOCKET = "BENCHMARK_PEER_SOCKET"
JOBS, OFFSET, STREAM = "jobs", "offset", "stream"
THRESHOLD = 0.5


def app() -> FastAPI:
    """The application: a token for everybody, and the WebSocket."""
    found = FastAPI()
    client = redis.asyncio.Redis(
        unix_socket_path=os.environ[SOCKET], decode_responses=True, max_connections=20_000
    )

    @found.get("/")
    @found.post("/widget/v1/token")
    async def token() -> dict[str, str]:
        return {"token": "free"}

    @found.websocket("/ws/v1/")
    async def chat(socket: WebSocket) -> None:
        await socket.accept("rtai.v1")
        user, inbox = uuid4().hex, client.pubsub()
        await inbox.subscribe(user)
        forwarding = asyncio.create_task(_forward(inbox, socket))
        try:
            while True:
                await _take(json.loads(await socket.receive_text()), user, client, inbox, socket)
        except WebSocketDisconnect:
            pass
        finally:
            forwarding.cancel()
            await inbox.aclose()  # type: ignore[no-untyped-call]

    return found


async def _take(
    frame: dict[str, Any], user: str, client: redis.asyncio.Redis, inbox: Any, socket: WebSocket
) -> None:
    if frame["type"] == "subscribe":
        await inbox.subscribe(STREAM)
        offset = int(await client.get(OFFSET) or 0)
        answer = {"type": "subscribed", "epoch": "e", "offset": offset, "recovered": False}
    else:
        id = uuid4().hex
        job = {"id": id, "user": user, "ref": frame["ref"], "text": frame["text"]}
        await client.rpush(JOBS, json.dumps(job))
        answer = {"type": "accepted", "ref": frame["ref"], "id": id}
    await socket.send_text(_dumps(answer))


def _dumps(frame: Mapping[str, Any]) -> str:
    # Without spaces, as the product writes: the load generator looks no closer.
    return json.dumps(frame, separators=(",", ":"))


async def _forward(inbox: Any, socket: WebSocket) -> None:
    async for message in inbox.listen():
        if message["type"] == "message":
            await socket.send_text(message["data"])


def publish(client: "redis.Redis", id: str, text: str) -> None:
    """A message to everybody, with the next offset."""
    head = f'{{"type":"message","offset":{client.incr(OFFSET)},'
    client.publish(STREAM, head + _dumps({"id": id, "text": text})[1:])


class Publishing:
    """Publishes without judging, to measure fan-out alone."""

    def __init__(self, socket: str) -> None:
        self._client = redis.Redis(unix_socket_path=socket, decode_responses=True)

    def publish(self, text: str) -> None:
        """To everybody."""
        publish(self._client, uuid4().hex, text)


def work(socket: str) -> None:
    """Judges jobs, one after the other, for ever."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from inference import versions
    from inference.runtime_onnx import OnnxRuntime

    runtimes = [OnnxRuntime(each, versions.load(each)) for each in bare.folders()]
    for runtime in runtimes:
        runtime.warm_up()
    client = redis.Redis(unix_socket_path=socket, decode_responses=True)
    client.set("ready", 1)
    while True:
        _, found = cast(tuple[str, str], client.blpop([JOBS]))
        job = json.loads(found)
        scores = [runtime.run([job["text"]])[0] for runtime in runtimes]
        action = "block" if scores[0][0] > THRESHOLD else "allow"
        verdict = {"type": "verdict", "ref": job["ref"], "id": job["id"], "action": action}
        client.publish(job["user"], _dumps(verdict))
        if action == "allow":
            publish(client, job["id"], job["text"])


def serve(socket: str, port: int, settings: Settings) -> None:
    """Serves the application."""
    os.environ[SOCKET] = socket
    uvicorn.run(
        "benchmarks.peers.tutorial:app",
        factory=True,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        workers=settings.workers,
        loop=settings.loop,
        http=settings.http,
        ws=settings.websocket,
        ws_per_message_deflate=False,
    )


def main() -> None:
    """Does what the command line asks for."""
    what, socket, *rest = sys.argv[1:]
    if what == "serve":
        serve(socket, int(rest[0]), Settings.read(rest[1:]))
    elif what == "publish":
        at_rate(Publishing(socket), float(rest[0]), int(rest[1]), float(rest[2]), int(rest[3]))
    else:
        work(socket)


if __name__ == "__main__":
    main()
