"""What uvicorn's transports know of their clients, and how they let go of them."""

import socket
import struct
from functools import partial
from typing import Any

from rtai_project import client_sockets
from streams import stalls

RESET = struct.pack("ii", 1, 0)
"""Makes closing a socket forget what its client has not taken, instead of offering it further."""


def taken(transport: Any) -> int:
    """Bytes that the client has taken; where the system does not say, less what waits here."""
    waiting = int(transport.get_write_buffer_size())
    if transport.is_closing() and not waiting:
        return 0  # Its socket may be another connection's by now.
    found = client_sockets.acknowledged(transport.get_extra_info("socket"))
    return -waiting if found is None else found


def tell(scope: Any, transport: Any) -> None:
    """Lets the application know how much its client has taken."""
    scope.setdefault("extensions", {})[stalls.EXTENSION] = {"bytes": partial(taken, transport)}


def reset(transport: Any) -> None:
    """Drops the connection and all that its client has not taken."""
    found = transport.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
