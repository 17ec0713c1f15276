"""uvicorn's HTTP requests, of which a stalled one ends with its application."""

import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

RESET = struct.pack("ii", 1, 0)
"""Makes closing a socket forget what its client has not taken, instead of offering it further."""


class Protocol(HttpToolsProtocol):
    """One connection."""

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
