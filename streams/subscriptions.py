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
    """What a session is subscribed to, by the stream's name.

    The session, whose part this is, comes as an argument: if it were kept, an ended one would stay
    in memory until a garbage collection finds the two.
    """

    def __init__(self, ports: Ports) -> None:
        self.streams: dict[str, StreamInfo] = {}
        self._ports = ports

    async def enter(self, session: Subscriber, stream: StreamInfo, frame: Subscribe) -> None:
        """Subscribes, for the first time or again; raises RtaiError, and then it is out."""
        fresh = frame.stream not in self.streams
        if fresh and len(self.streams) >= MAX_STREAMS:
            raise Forbidden(f"A connection carries at most {MAX_STREAMS} streams.")
        if fresh:
            await self._attach(session, stream, frame.stream)
        answer = partial(self._subscribed, session, frame.stream)
        try:
            await self._ports.hub.subscribe(session, stream, frame.since, frame.recent, answer)
        except RtaiError:
            await self.leave(session, frame.stream)
            raise
        await self._introduce(session, frame.stream, fresh=fresh)

    async def leave(self, session: Subscriber, stream: str) -> None:
        """Unsubscribes; what cannot be told now is told later, or left to a lease."""
        await self._tell(session, [stream] if self._detach(session, stream) else [])

    async def leave_all(self, session: Subscriber) -> None:
        """Unsubscribes from everything, here before it first waits."""
        left = [name for name in list(self.streams) if self._detach(session, name)]
        await self._tell(session, left)

    def take_role(self, session: Subscriber) -> None:
        """Shows scores or hides them, as the session's role says now."""
        for name in self.streams:
            found = self._ports.hub.subscription(session.id, session.site, name)
            if found is not None:
                found.is_moderator = session.is_moderator

    async def _attach(self, session: Subscriber, stream: StreamInfo, name: str) -> None:
        self.streams[name] = stream
        try:
            async with self._ports.gate:
                await self._ports.store.attach(session.client, name)
        except RtaiError:
            self.streams.pop(name, None)
            raise

    def _subscribed(self, session: Subscriber, stream: str, at: Position, recovered: bool) -> str:
        generating = self._ports.generating
        running = generating.following.enter(session, stream)
        assistant = generating.assistant(session.site, stream)
        return replies.subscribed(stream, at, recovered, running, assistant)

    async def _introduce(self, session: Subscriber, stream: str, *, fresh: bool) -> None:
        """Brings the mail, and tells the others who is here."""
        client, roster = session.client, self._ports.roster
        try:
            async with self._ports.gate:
                await self._ports.audience.deliver_mail([session])
                if fresh:
                    await roster.join(client, stream, self.streams)
        except Overloaded as error:
            # The subscription stands; late verdicts are looked for again.
            logger.info("A subscriber's mail or presence has to wait: %s", error)
            if fresh:
                roster.miss(client, stream, self.streams)

    def _detach(self, session: Subscriber, stream: str) -> bool:
        """Whether it was in the stream; nothing of it is heard here any more."""
        self._ports.hub.unsubscribe(session.id, session.site, stream)
        self._ports.generating.following.depart(session, stream)
        return self.streams.pop(stream, None) is not None

    async def _tell(self, session: Subscriber, left: list[str]) -> None:
        """Tells of streams that were left; whatever interrupts that, nobody stays in a list."""
        client = session.client
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
