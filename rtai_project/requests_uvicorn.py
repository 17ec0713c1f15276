"""uvicorn's HTTP requests: one over a limit is turned away, and a stalled one ends with its
application."""

import asyncio
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rtai_project import refusals
from streams.addresses import forwarded
from streams.turnstile import Turnstile, Visit

HEAD_S = 10.0
"""How long a client may take for the head of a request, from its connection or first byte."""
RESET = struct.pack("ii", 1, 0)
"""Makes closing a socket forget what its client has not taken, instead of offering it further."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    visit: Visit
    _waiting: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, turnstile: Turnstile, **kwargs: Any) -> None:
        """uvicorn's arguments."""
        super().__init__(*args, **kwargs)
        self._turnstile = turnstile

    def connection_made(self, transport: Any) -> None:
        """uvicorn's, which would wait for a request for ever."""
        super().connection_made(transport)
        self.visit = self._turnstile.visit(self.client[0] if self.client else "")
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn's."""
        self._rest()
        self.visit.end()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """uvicorn's; a request begins."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """uvicorn's; the head of a request is there."""
        if self.visit.refusal is None:
            self._rest()
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """uvicorn's; the WebSocket takes the connection's visit with it."""
        if refusal := self.visit.request(forwarded(self.headers)):
            self.transport.write(refusals.response(refusal))
            self.transport.close()
            return
        super().handle_websocket_upgrade()
        upgraded: Any = self.transport.get_protocol()
        upgraded.visit = self.visit

    def _wait(self) -> None:
        if self._waiting is None:
            wait_s = refusals.SILENCE_S if self.visit.refusal else HEAD_S
            self._waiting = self.loop.call_later(wait_s, self.transport.abort)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """uvicorn's; an answer left unfinished drops the connection.

        The stock server closes it, which waits for ever for a client that takes nothing.
        """
        if refusal := self.visit.request(forwarded(cycle.scope["headers"])):
            app = refusals.application(refusal)

        async def run(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if cycle.response_started and not cycle.response_complete and not cycle.disconnected:
                cycle.disconnected = True
                found = cycle.transport.get_extra_info("socket")
                found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                cycle.transport.abort()

        super()._start_asgi_task(cycle, run)
