"""uvicorn's HTTP requests, of which a stalled one ends with its application."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_S = 10.0
"""How long a client may take for the head of a request, from its connection or first byte."""
RESET = struct.pack("ii", 1, 0)
"""Makes closing a socket forget what its client has not taken, instead of offering it further."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """uvicorn's, which would wait for a request for ever."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn's."""
        self._rest()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """uvicorn's; a request begins."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """uvicorn's; the head of a request is there."""
        self._rest()
        super().on_headers_complete()

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(HEAD_S, self.transport.abort)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """uvicorn's; an answer left unfinished drops the connection.

        The stock server closes it, which waits for ever for a client that takes nothing.
        """

        async def run(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if cycle.response_started and not cycle.response_complete and not cycle.disconnected:
                cycle.disconnected = True
                found = cycle.transport.get_extra_info("socket")
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                cycle.transport.abort()

        super()._start_asgi_task(cycle, run)
