"""Who of this gateway's sessions is in which stream, as everybody is told.

While a gateway lives nobody else takes its sessions out of a stream. Whoever left and could not
be taken out is therefore owed, and `settle` tries again.
"""

import asyncio
from collections.abc import Collection

from streams.clients import Client
from streams.presence import People, Presences


class Roster:
    """Presence of the sessions of one gateway; `presences` is what all gateways share."""

    def __init__(self, presences: Presences) -> None:
        self._presences = presences
        self._owed: dict[tuple[str, str], Client] = {}
        self._settling = asyncio.Lock()

    async def join(self, client: Client, stream: str, streams: Collection[str]) -> None:
        """Adds a session; `streams` are those that it is in, if it should leave meanwhile.

        Raises Overloaded.
        """
        key = (client.session, stream)
        if key in self._owed:
            async with self._settling:  # What is being settled may not take out who is back.
                self._owed.pop(key, None)
        await self._presences.join(client, stream)
        if stream not in streams:
            self.owe(client, stream)

    async def leave(self, client: Client, stream: str) -> None:
        """Takes a session away; raises Overloaded, and then it should be owed."""
        await self._presences.leave(client, stream)

    def owe(self, client: Client, stream: str) -> None:
        """Has a session taken away that may be there still."""
        self._owed[client.session, stream] = client

    async def settle(self) -> None:
        """Takes away what is owed; raises Overloaded and keeps the rest."""
        for (session, stream), client in list(self._owed.items()):
            async with self._settling:
                if (session, stream) in self._owed:
                    await self._presences.leave(client, stream)
                    self._owed.pop((session, stream), None)

    async def of(self, site: str, stream: str) -> People:
        """Who is there; raises Overloaded."""
        return await self._presences.of(site, stream)
