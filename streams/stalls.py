"""How long a client has taken nothing of what waits for it.

What its system has acknowledged counts, and not what this one would take: the buffers between may
be full for long while the client reads all the time.
"""

from collections.abc import Callable, Mapping
from typing import Any

STALL_S = 5.0
"""A client that takes nothing for so long, while bytes wait, is cut off."""
EXTENSION = "rtai.taken"
"""Where a server's ASGI scope says how much the client has taken: `{"bytes": Taken}`."""

Taken = Callable[[], int]
"""A count that changes whenever the client takes bytes."""


def unknown() -> int:
    """What counts where the server does not know: a write that lasts is a client that stalls."""
    return 0


def taken(scope: Mapping[str, Any]) -> Taken:
    """The count of the connection that this ASGI scope is about."""
    found: Taken = (scope.get("extensions") or {}).get(EXTENSION, {}).get("bytes", unknown)
    return found


class Stall:
    """The stall of one client, for whoever looks at it now and then; `clock` is in seconds.

    It keeps no reference to the connection, which keeps one to it.
    """

    __slots__ = ("_began", "_clock", "_count", "_moved")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: float | None = None
        self._count: int | None = None
        self._moved = 0.0

    def lasts(self, since: float | None, taken: Taken) -> float:
        """Seconds since the client took something, as far as is known; bytes have waited since
        `since`, which is None while none do."""
        if since is None:
            self._count = None
            return 0.0
        count, now = taken(), self._clock()
        if count != self._count:
            self._moved = since if self._count is None else now
            self._count = count
        return now - max(since, self._moved)

    def lasts_while(self, waiting: bool, taken: Taken) -> float:
        """The same, where only the looks tell since when bytes wait."""
        if not waiting:
            self._began = None
        elif self._began is None:
            self._began = self._clock()
        return self.lasts(self._began, taken)
