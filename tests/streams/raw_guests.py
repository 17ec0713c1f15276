"""A WebSocket client that is as badly behaved as a test wants: bytes on a socket."""

import base64
import json
import os
import socket
import struct
from typing import Any

from tests.streams.sse_guests import Door, token

TEXT, CLOSE, FIN, COMPRESSED = 0x1, 0x8, 0x80, 0x40


def handshake(door: Door, given: str | None = None) -> bytes:
    """The request that opens a WebSocket with this token."""
    protocols = f"rtai.v1, rtai.token.{token() if given is None else given}"
    return (
        f"GET /ws/v1/ HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
        f"Sec-WebSocket-Protocol: {protocols}\r\n\r\n"
    ).encode()


def encode(text: str, head: int = FIN | TEXT) -> bytes:
    """A masked frame; the mask is zero, so that its bytes are those of the text."""
    body = text.encode()
    if len(body) < 126:
        size = bytes([0x80 | len(body)])
    elif len(body) < 65_536:
        size = b"\xfe" + struct.pack("!H", len(body))
    else:
        size = b"\xff" + struct.pack("!Q", len(body))
    return bytes([head]) + size + bytes(4) + body


class Raw:
    """One connection; what it reads is read in order, and only when a test asks."""

    def __init__(self, door: Door, given: str | None = None, *, buffer: int = 0) -> None:
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(20)
        self.socket.connect(("127.0.0.1", door.port))
        self._got = b""
        self._frames: list[dict[str, Any]] = []
        door.opened.callback(self.socket.close)
        self._request = handshake(door, given)

    def open(self, *, by: int = 0) -> "Raw":
        """Sends the handshake, `by` bytes at a time, and takes the answer."""
        self.send(self._request, by=by)
        while b"\r\n\r\n" not in self._got:
            self._got += self._read()
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        return self

    def send(self, data: bytes, *, by: int = 0) -> None:
        """Bytes, each piece of `by` bytes in a segment of its own."""
        for start in range(0, len(data), by or len(data)):
            self.socket.sendall(data[start : start + (by or len(data))])

    def say(self, **frame: Any) -> None:
        """A frame as the protocol has it."""
        self.send(encode(json.dumps(frame)))

    def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of this type; what comes before it is skipped."""
        while True:
            while self._frames:
                if (frame := self._frames.pop(0))["type"] == kind:
                    return frame
            self._frames += self.frames()

    def frames(self) -> list[dict[str, Any]]:
        """The frames of the next message."""
        opcode, body = self.message()
        assert opcode == TEXT, (opcode, body[:200])
        return [json.loads(line) for line in body.decode().split("\n")]

    def message(self) -> tuple[int, bytes]:
        """Opcode and body of the next message."""
        head, size = self._take(2)
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        return head & 0x0F, self._take(size)

    def closed(self) -> tuple[int, dict[str, Any]]:
        """Code and reason of the close frame; what comes before it is skipped."""
        while True:
            opcode, body = self.message()
            if opcode == CLOSE:
                reason = body[2:].decode()
                found = json.loads(reason) if reason.startswith("{") else {}
                return int.from_bytes(body[:2], "big"), found

    def abort(self) -> None:
        """Breaks the connection off: a reset, no close frame."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def is_over(self) -> bool:
        """Whether the server has ended the connection; reads what is there."""
        try:
            while self._read():
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True

    def _take(self, size: int) -> bytes:
        while len(self._got) < size:
            more = self._read()
            assert more, "The connection ended."
            self._got += more
        taken, self._got = self._got[:size], self._got[size:]
        return taken

    def _read(self) -> bytes:
        return self.socket.recv(65_536)
