"""A well-behaved WebSocket client of a server that runs as a process."""

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.streams.sse_guests import Door, token


class Guest:
    """A well-behaved client."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []

    def say(self, **frame: object) -> None:
        self.socket.send(json.dumps(frame))

    def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of this type; what comes before it is skipped."""
        while True:
            while self.frames:
                if (frame := self.frames.pop(0))["type"] == kind:
                    return frame
            lines = str(self.socket.recv(timeout=20)).split("\n")
            self.frames += [json.loads(line) for line in lines]

    def subscribe(self, room: str, **fields: object) -> dict[str, Any]:
        self.say(type="subscribe", stream=room, **fields)
        return self.hear("subscribed")

    def close_code(self) -> int:
        """The code of the close that comes."""
        return self.closed()[0]

    def closed(self) -> tuple[int, dict[str, Any]]:
        """Code and reason of the close that comes."""
        with pytest.raises(ConnectionClosed) as closed:
            self.hear("the end")
        assert closed.value.rcvd is not None
        reason = closed.value.rcvd.reason
        return int(closed.value.rcvd.code), json.loads(reason) if reason.startswith("{") else {}


def enter(sse: Door, given: str | None = None, *, source: str = "127.0.0.1") -> Guest:
    """A well-behaved client, connected from an address of this machine."""
    protocols = ["rtai.v1", f"rtai.token.{token() if given is None else given}"]
    address = f"ws://127.0.0.1:{sse.port}/ws/v1/"
    options: dict[str, Any] = {"subprotocols": protocols, "compression": None, "proxy": None}
    options["max_queue"] = None  # It always reads, whether or not a test looks at it.
    options["source_address"] = (source, 0)
    return Guest(sse.opened.enter_context(connect(address, **options)))
