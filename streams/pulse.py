"""How a connection is known to be alive, and how much it may send."""

from collections.abc import Callable
from enum import Enum, auto

HEARTBEAT_S = 25.0
PONG_S = 8.0
MAX_FRAMES_A_SECOND = 1_000
MAX_BYTES_A_SECOND = 1024 * 1024
BURST_S = 4
"""A client may send what is allowed in so many seconds at once."""


class Beat(Enum):
    """What is to be done now."""

    NOTHING = auto()
    PING = auto()
    DEAD = auto()


class Budget:
    """What one client may send; `clock` is monotonic in seconds."""

    __slots__ = ("_at", "_bytes", "_clock", "_frames")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._frames = float(MAX_FRAMES_A_SECOND * BURST_S)
        self._bytes = float(MAX_BYTES_A_SECOND * BURST_S)

    def spend(self, count: int, size: int) -> bool:
        """Notes frames of `size` bytes in all; whether the client may send so much.

        What is left of either fills again with time.
        """
        now = self._clock()
        passed, self._at = now - self._at, now
        most_frames, most_bytes = MAX_FRAMES_A_SECOND * BURST_S, MAX_BYTES_A_SECOND * BURST_S
        self._frames = min(self._frames + passed * MAX_FRAMES_A_SECOND, most_frames) - count
        self._bytes = min(self._bytes + passed * MAX_BYTES_A_SECOND, most_bytes) - size
        return self._frames >= 0 and self._bytes >= 0


class Pulse:
    """Heartbeat and budget of one connection; `clock` is monotonic in seconds."""

    __slots__ = ("_budget", "_clock", "_heard", "_next_ping", "_pinged")

    def __init__(self, clock: Callable[[], float]) -> None:
        now = clock()
        self._clock = clock
        self._heard = now
        self._pinged: float | None = None
        self._next_ping = now + HEARTBEAT_S
        self._budget = Budget(clock)

    @property
    def heard(self) -> float:
        """When the client was last heard."""
        return self._heard

    def hear(self, count: int, size: int) -> bool:
        """Notes frames of `size` bytes in all; whether the client may send so much."""
        self._heard = self._clock()
        return self._budget.spend(count, size)

    def beat(self) -> Beat:
        """Whether to send a ping, or to give the client up: any frame counts as a pong.

        The answer is due from `pinged` on.
        """
        now = self._clock()
        if self._pinged is not None and self._heard >= self._pinged:
            self._pinged = None
        if self._pinged is not None and now - self._pinged >= PONG_S:
            return Beat.DEAD
        if now < self._next_ping:
            return Beat.NOTHING
        self._next_ping = now + HEARTBEAT_S
        return Beat.PING

    def pinged(self) -> None:
        """The ping was written: what waited before it no longer delays the answer."""
        self._pinged = self._clock()
