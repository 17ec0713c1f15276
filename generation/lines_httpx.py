"""Connections to servers of models: kept alive, one for each answer, and cut from any thread.

A blocked read of a socket ends only when the socket is shut down, so each answer has to know the
connection that it uses. That is why each line is a client of one connection, and the pool is ours.
"""

import contextlib
import socket
import ssl
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from typing import Any

import httpx

MAX_IDLE = 32
KEEP_ALIVE_S = 30.0
DRAIN_S = 0.25
USER_AGENT = "rtai"


class Line:
    """One connection to one server, opened when it is first used."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._stream: Any = None
        self.is_cut = False
        self.client = httpx.Client(
            verify=context,
            limits=httpx.Limits(max_connections=1, keepalive_expiry=KEEP_ALIVE_S),
            follow_redirects=False,
            headers={"user-agent": USER_AGENT, "accept-encoding": "identity"},
        )

    def trace(self, name: str, info: dict[str, Any]) -> None:
        """Learns which connection is used, from httpx's extension of that name."""
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info["return_value"]
            if self.is_cut:
                self.cut()

    def cut(self) -> None:
        """Ends what is under way, or would be, from whatever thread; it is of no use then."""
        self.is_cut = True
        found = self._stream and self._stream.get_extra_info("socket")
        if found is not None:
            # Of the plain socket: TLS would say goodbye first, and might have to wait.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)


class Lease:
    """A line while one answer has it; whoever cuts it later cuts nobody else's."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._lock = threading.Lock()
        self._ended = False

    def cut(self) -> None:
        """Ends the answer's connection, from whatever thread."""
        with self._lock:
            if not self._ended:
                self.line.cut()

    def drain(self, chunks: Iterator[bytes]) -> None:
        """Reads what is left of an answer, so that its connection may serve another; a server
        that does not come to an end loses it."""
        timer = threading.Timer(DRAIN_S, self.cut)
        timer.start()
        try:
            for _ in chunks:
                pass
        except httpx.HTTPError:
            self.cut()
        finally:
            timer.cancel()

    def end(self) -> None:
        """From here on the line belongs to others."""
        with self._lock:
            self._ended = True


class Lines:
    """The lines to one server; may be used by many threads at once. They close with it."""

    def __init__(self) -> None:
        self._context = httpx.create_ssl_context()
        self._lock = threading.Lock()
        self._idle: deque[Line] = deque()
        weakref.finalize(self, _close, self._idle)

    @contextlib.contextmanager
    def lease(self) -> Iterator[Lease]:
        """A line of one's own, kept alive for others afterwards."""
        with self._lock:
            line = self._idle.pop() if self._idle else None
        lease = Lease(line or Line(self._context))
        try:
            yield lease
        finally:
            lease.end()
            self._give(lease.line)

    def _give(self, line: Line) -> None:
        with self._lock:
            if not line.is_cut and len(self._idle) < MAX_IDLE:
                self._idle.append(line)
                return
        line.client.close()


def _close(idle: deque[Line]) -> None:
    for line in idle:
        line.client.close()
