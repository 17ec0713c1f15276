"""Port: who is connected, in all processes."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from inference.errors import Forbidden, RateLimited
from streams.clients import Client

LEASE_MS = 30_000
"""A session that is not renewed for so long is gone, with the process that held it."""

BANNED = "Banned from this site."
KICKED = "Disconnected by a moderator."
"""What one is told whose connection ends."""


class Banned(Forbidden):
    """The user or the address is banned from this site until `until_ms`."""

    def __init__(self, until_ms: int) -> None:
        super().__init__(BANNED)
        self.until_ms = until_ms


class TooManyConnections(RateLimited):
    """The site, user or address has as many connections open as it may."""


@dataclass(frozen=True, slots=True)
class Session:
    """One live session as all processes see it. Times are milliseconds since the Unix epoch."""

    id: str
    site: str
    user: str
    name: str
    role: str
    address: str
    gateway: str
    connected_ms: int
    messages: int
    last_verdict: str
    streams: tuple[str, ...]


class SessionStore(Protocol):
    """Opens, renews and closes sessions; each method raises Overloaded while the store is away."""

    async def open(self, client: Client, gateway: str) -> None:
        """Raises Banned, RateLimited or TooManyConnections, and then nothing is stored
        but the attempt, which counts."""
        ...

    async def close(self, client: Client) -> None: ...

    async def attach(self, client: Client, stream: str) -> None: ...

    async def detach(self, client: Client, stream: str) -> None: ...

    async def renew(
        self, sessions: Iterable[tuple[Client, Collection[str]]], gateway: str
    ) -> Mapping[str, str]:
        """Extends the leases of sessions with the streams they are in, and puts back lost ones.

        Returns the ids of those that were banned or kicked meanwhile, and what they are told.
        """
        ...
