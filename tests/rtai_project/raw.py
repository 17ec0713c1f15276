"""Bytes on a socket, where a client library would be too polite."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.rtai_project.echoes import Served

UPGRADE = (
    "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n"
)


@contextmanager
def upgraded(served: Served, path: str = "/", early: bytes = b"") -> Iterator[socket.socket]:
    """A WebSocket after its handshake; `early` is sent when the server has read the request, and
    has not answered."""
    with served.dial() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\n{UPGRADE}\r\n".encode())
        if early:
            time.sleep(0.3)
            client.sendall(early)
        got = b""
        while b"\r\n\r\n" not in got:
            got += client.recv(1)
        assert b" 101 " in got, got
        yield client


def answer(client: socket.socket, seconds: float = 10) -> bytes:
    """All that comes until the server ends the connection; raises TimeoutError."""
    client.settimeout(seconds)
    got = b""
    while more := client.recv(65_536):
        got += more
    return got
