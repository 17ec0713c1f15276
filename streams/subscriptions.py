"""The streams of one session: it is in or out of them here at once, and elsewhere once that could
be told."""

import logging
from functools import partial
from typing import Protocol

from inference.errors import Forbidden, Overloaded, RtaiError
from streams import replies
from streams.answers import Asker
from streams.audience import Member
from streams.directory import StreamInfo
from streams.frames import Position, Subscribe
from streams.ports import Ports

MAX_STREAMS = 128

logger = logging.getLogger(__name__)


class Subscriber(Member, Asker, Protocol):
    """A session, as far as its streams are concerned."""


class Subscriptions:
    """What a session is subscribed to, by the stream's name."""

    def __init__(self, session: Subscriber, ports: Ports) -> None:
        self.streams: dict[str, StreamInfo] = {}
        self._session = session
        self._ports = ports

    async def enter(self, stream: StreamInfo, frame: Subscribe) -> None:
        """Subscribes, for the first time or again; raises RtaiError, and then it is out."""
        fresh = frame.stream not in self.streams
        if fresh and len(self.streams) >= MAX_STREAMS:
            raise Forbidden(f"A connection carries at most {MAX_STREAMS} streams.")
        if fresh:
            await self._attach(stream, frame.stream)
        answer = partial(self._subscribed, frame.stream)
        try:
            await self._ports.hub.subscribe(
                self._session, stream, frame.since, frame.recent, answer
            )
        except RtaiError:
            await self.leave(frame.stream)
            raise
        await self._introduce(frame.stream, fresh=fresh)

    async def leave(self, stream: str) -> None:
        """Unsubscribes; what cannot be told now is told later, or left to a lease."""
        await self._tell([stream] if self._detach(stream) else [])

    async def leave_all(self) -> None:
        """Unsubscribes from everything, here before it first waits."""
        await self._tell([name for name in list(self.streams) if self._detach(name)])

    def take_role(self) -> None:
        """Shows scores or hides them, as the session's role says now."""
        for name in self.streams:
            found = self._ports.hub.subscription(self._session.id, self._session.site, name)
            if found is not None:
                found.is_moderator = self._session.is_moderator

    async def _attach(self, stream: StreamInfo, name: str) -> None:
        self.streams[name] = stream
        try:
            async with self._ports.gate:
                await self._ports.store.attach(self._session.client, name)
        except RtaiError:
            self.streams.pop(name, None)
            raise

    def _subscribed(self, stream: str, at: Position, recovered: bool) -> str:
        generating = self._ports.generating
        running = generating.following.enter(self._session, stream)
        assistant = generating.assistant(self._session.site, stream)
        return replies.subscribed(stream, at, recovered, running, assistant)

    async def _introduce(self, stream: str, *, fresh: bool) -> None:
        """Brings the mail, and tells the others who is here."""
        client, roster = self._session.client, self._ports.roster
        try:
            async with self._ports.gate:
                await self._ports.audience.deliver_mail([self._session])
                if fresh:
                    await roster.join(client, stream, self.streams)
        except Overloaded as error:
            # The subscription stands; late verdicts are looked for again.
            logger.info("A subscriber's mail or presence has to wait: %s", error)
            if fresh:
                roster.miss(client, stream, self.streams)

    def _detach(self, stream: str) -> bool:
        """Whether it was in the stream; nothing of it is heard here any more."""
        self._ports.hub.unsubscribe(self._session.id, self._session.site, stream)
        self._ports.generating.following.depart(self._session, stream)
        return self.streams.pop(stream, None) is not None

    async def _tell(self, left: list[str]) -> None:
        """Tells of streams that were left; whatever interrupts that, nobody stays in a list."""
        client = self._session.client
        try:
            while left:
                async with self._ports.gate:
                    await self._ports.store.detach(client, left[-1])
                    await self._ports.roster.leave(client, left[-1])
                left.pop()
        except Overloaded as error:
            logger.info("A departure has to wait: %s", error)
        finally:
            for stream in left:
                self._ports.roster.owe(client, stream)
