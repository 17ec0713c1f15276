"""Port: who is in a stream, across processes."""

from typing import Protocol, TypeAlias

from streams.clients import Client

MAX_NAMED = 100
"""Above so many users only their number is told, and nobody's coming and going."""

People: TypeAlias = tuple[int, tuple[tuple[str, str], ...] | None]
"""How many users there are, and their ids and names, or None where there are too many."""


class Presences(Protocol):
    """Users in streams; each method raises Overloaded while Redis is away."""

    async def join(self, client: Client, stream: str) -> None:
        """Adds a session; a user's first one tells the stream."""
        ...

    async def leave(self, client: Client, stream: str) -> None:
        """Takes a session away; a user's last one tells the stream."""
        ...

    async def of(self, site: str, stream: str) -> People:
        """Who is there."""
        ...
