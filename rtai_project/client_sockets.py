"""A client's TCP connection: the system keeps little that the client has not taken, and says how
much it has."""

import contextlib
import socket
import struct
from typing import Any

from streams.stalls import STALL_S

UNSENT = 64 * 1024
"""Bytes that the system keeps back for a connection and has not sent. Without this bound it takes
4 MB, and more only once a third of that has gone."""
RESET_S = STALL_S + 1
"""After so long without progress a server drops the connection. The session is first to speak: a
client that wakes up now still sees its close frame."""
_NOTSENT_LOWAT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)
_INFO: int | None = getattr(socket, "TCP_INFO", None)
_ACKNOWLEDGED = struct.Struct("=120xQ")
"""`tcpi_bytes_acked` of Linux."""


def hold_little(found: Any) -> None:
    """Bounds what the system keeps back, where it can: on Linux and macOS."""
    if _NOTSENT_LOWAT is not None:
        with contextlib.suppress(OSError):  # Its client has gone already: the server will see.
            found.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT)


def acknowledged(found: Any) -> int | None:
    """Bytes that the other end has acknowledged so far; None where that is not known."""
    if _INFO is None:
        return None
    try:
        info = found.getsockopt(socket.IPPROTO_TCP, _INFO, _ACKNOWLEDGED.size)
    except OSError:
        return None
    return _ACKNOWLEDGED.unpack(info)[0] if len(info) == _ACKNOWLEDGED.size else None
