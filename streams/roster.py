"""Who of this gateway's sessions is in which stream, as everybody is told.

While a gateway lives nobody else takes its sessions out of a stream, or puts them in. Whoever left
and could not be taken out is therefore owed, whoever came and could not be put in is missing, and
`settle` tries again.
"""

import asyncio
from collections.abc import Collection, Iterable

from streams.clients import Client
from streams.presence import People, Presences

AT_ONCE = 256
"""Sessions that are added together."""


class Roster:
    """Presence of the sessions of one gateway; `presences` is what all gateways share."""

    def __init__(self, presences: Presences) -> None:
        self._presences = presences
        self._owed: dict[tuple[str, str], Client] = {}
        self._missing: dict[tuple[str, str], tuple[Client, Collection[str]]] = {}
        self._settling = asyncio.Lock()

    async def join(self, client: Client, stream: str, streams: Collection[str]) -> None:
        """Adds a session; `streams` are those that it is in, if it should leave meanwhile.

        Raises Overloaded, and then it should be missed.
        """
        key = (client.session, stream)
        if key in self._owed:
            async with self._settling:  # What is being settled may not take out who is back.
                self._owed.pop(key, None)
        try:
            await self._presences.join(client, stream)
        finally:
            if stream not in streams:
                self.owe(client, stream)

    async def join_again(self, sessions: Iterable[tuple[Client, Collection[str]]]) -> None:
        """Adds sessions to all streams that they are in, many at the same time, for their
        gateway's lease does not wait; raises Overloaded."""
        waiting = [
            (client, stream, streams) for client, streams in sessions for stream in list(streams)
        ]
        for start in range(0, len(waiting), AT_ONCE):
            some = waiting[start : start + AT_ONCE]
            await asyncio.gather(*(self.join(*each) for each in some))

    async def leave(self, client: Client, stream: str) -> None:
        """Takes a session away; raises Overloaded, and then it should be owed."""
        await self._presences.leave(client, stream)

    def owe(self, client: Client, stream: str) -> None:
        """Has a session taken away that may be there still."""
        self._missing.pop((client.session, stream), None)
        self._owed[client.session, stream] = client

    def miss(self, client: Client, stream: str, streams: Collection[str]) -> None:
        """Has a session added that may not be there yet; `streams` as in `join`."""
        if stream in streams:
            self._owed.pop((client.session, stream), None)
            self._missing[client.session, stream] = client, streams

    async def settle(self) -> None:
        """Takes away who is owed and adds who is missing; raises Overloaded and keeps the rest."""
        await self._take_owed()
        await self._add_missing()

    async def _take_owed(self) -> None:
        for (session, stream), client in list(self._owed.items()):
            async with self._settling:
                if (session, stream) in self._owed:
                    await self._presences.leave(client, stream)
                    self._owed.pop((session, stream), None)

    async def _add_missing(self) -> None:
        for key, missed in list(self._missing.items()):
            client, streams = missed
            if key[1] in streams:
                await self.join(client, key[1], streams)
            if self._missing.get(key) is missed:
                del self._missing[key]

    async def of(self, site: str, stream: str) -> People:
        """Who is there; raises Overloaded."""
        return await self._presences.of(site, stream)
