"""A WebSocket client that costs as little as possible, so that it measures the server.

It speaks text frames of `rtai.v1` and answers pings, and masks with a key of zeros, which RFC 6455
allows. Peers that speak another protocol have a class of their own on top of this one.
"""

import asyncio
import base64
import json
import os
import re
import time
from collections.abc import Callable

OFFSET = re.compile(rb'"offset":(\d+)')
KIND = re.compile(rb'\{"type":"(\w+)"')
ANSWER = '{"type":"pong"}'
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10

Heard = Callable[["Connection", bytes, float], None]


class Refused(Exception):
    """The server did not upgrade, or closed; the text has the status or close code."""


class Connection(asyncio.Protocol):
    """One connection. `heard(connection, line, now)` gets every JSON object that arrives.

    `last` is the offset of the stream's last frame that arrived; `problems` counts offsets out of
    order. `now` is `time.perf_counter()` when the bytes were read.
    """

    __slots__ = (
        "_awaited", "_rest", "close_code", "closed", "epoch", "frames", "heard", "is_open",
        "last", "problems", "transport",
    )  # fmt: skip

    def __init__(self, heard: Heard | None = None) -> None:
        self.heard = heard
        self.is_open = False
        self.closed = False
        self.close_code = 0
        self.epoch = ""
        self.last = -1
        self.frames = 0
        self.problems = 0
        self._rest = b""
        self._awaited: tuple[bytes, asyncio.Future[bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")  # noqa: S101
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails whoever waits."""
        self.closed = True
        if self._awaited is not None and not self._awaited[1].done():
            self._awaited[1].set_exception(Refused(f"closed with {self.close_code}: {exc!r}"))

    def data_received(self, data: bytes) -> None:
        """Takes frames out of what came."""
        now = time.perf_counter()
        if self._rest:
            data = self._rest + data
        if not self.is_open:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._upgraded(head)
        self._rest = self._take_frames(data, now)

    def request(self, port: int, token: str) -> str:
        """The path and the headers of its own that the handshake asks with."""
        return f"GET /ws/v1/ HTTP/1.1\r\nSec-WebSocket-Protocol: rtai.v1, rtai.token.{token}\r\n"

    def send(self, text: str) -> None:
        """Sends one text frame."""
        self._send(TEXT, text.encode())

    def _send(self, kind: int, data: bytes) -> None:
        size = len(data)
        if size < 126:
            head = bytes((0x80 | kind, 0x80 | size))
        elif size < 65536:
            head = bytes((0x80 | kind, 0xFE)) + size.to_bytes(2)
        else:
            head = bytes((0x80 | kind, 0xFF)) + size.to_bytes(8)
        self.transport.write(head + b"\0\0\0\0" + data)

    async def wait(self, kind: str) -> bytes:
        """The next line of this type; raises Refused when the connection ends before."""
        if self.closed:
            raise Refused(f"closed with {self.close_code}")
        future = asyncio.get_running_loop().create_future()
        self._awaited = kind.encode(), future
        return bytes(await future)

    def _upgraded(self, head: bytes) -> None:
        self._rest, self.is_open = b"", True
        if head[9:12] != b"101":
            self.transport.close()
            self._settle(b"upgraded", Refused(head[9:12].decode()))
        else:
            self._settle(b"upgraded", b"")

    def _take_frames(self, data: bytes, now: float) -> bytes:
        at, size = 0, len(data)
        while size - at >= 2:
            length, start = data[at + 1], at + 2
            if length == 126:
                length, start = int.from_bytes(data[at + 2 : at + 4]), at + 4
            elif length == 127:
                length, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
            end = start + length
            if end > size or start > size:
                break
            self._take(data[at] & 15, data[start:end], now)
            at = end
        return data[at:]

    def _take(self, kind: int, data: bytes, now: float) -> None:
        if kind == TEXT:
            for line in data.split(b"\n"):
                self._hear(line, now)
        elif kind == CLOSE:
            self.close_code = int.from_bytes(data[:2])
        elif kind == PING:
            # Whoever does not answer is taken for dead: uvicorn closes with 1011 after 40 s.
            self._send(PONG, data)

    def _hear(self, line: bytes, now: float) -> None:
        if line.startswith(b'{"type":"message"'):
            self._advance(line)
        else:
            kind = KIND.match(line)
            if kind is not None and kind[1] == b"ping":
                self.send(ANSWER)
            elif kind is not None and kind[1] == b"subscribed":
                found = json.loads(line)
                self.epoch = found["epoch"]
                if not found["recovered"] or self.last < 0:
                    self.last = found["offset"]
            if kind is not None:
                self._settle(kind[1], line)
        if self.heard is not None:
            self.heard(self, line, now)

    def _advance(self, line: bytes) -> None:
        found = OFFSET.search(line)
        offset = int(found[1]) if found else -1
        self.problems += offset != self.last + 1
        self.last = offset
        self.frames += 1

    def _settle(self, kind: bytes, result: bytes | Exception) -> None:
        if self._awaited is None or self._awaited[0] != kind or self._awaited[1].done():
            return
        if isinstance(result, Exception):
            self._awaited[1].set_exception(result)
        else:
            self._awaited[1].set_result(result)


async def connect(
    port: int,
    token: str,
    heard: Heard | None = None,
    *,
    make: type[Connection] = Connection,
    source: str = "127.0.0.1",
) -> Connection:
    """An upgraded connection; raises Refused or OSError."""
    loop = asyncio.get_running_loop()
    _, found = await loop.create_connection(
        lambda: make(heard), "127.0.0.1", port, local_addr=(source, 0)
    )
    waiting = found.wait("upgraded")
    key = base64.b64encode(os.urandom(16)).decode()
    found.transport.write(
        f"{found.request(port, token)}Host: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await waiting
    return found


async def subscribe(connection: Connection, stream: str, since: int | None = None) -> None:
    """Returns when `subscribed` came; `since` is the offset to recover from."""
    frame: dict[str, object] = {"type": "subscribe", "stream": stream}
    if since is not None:
        frame["since"] = {"epoch": connection.epoch, "offset": since}
    waiting = connection.wait("subscribed")
    connection.send(json.dumps(frame))
    await waiting
