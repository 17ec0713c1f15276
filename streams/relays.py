"""One stream in this process: frames come in once, in any state of disorder, and leave to every
local subscriber in order, each once.

Frames arrive from the channel layer, or from history where the layer lost some.
"""

import asyncio
from typing import Protocol

from streams.closes import Close, CloseCode, close
from streams.directory import StreamInfo
from streams.frames import Position
from streams.history import Published, Read, missed
from streams.outbox import Outbox, size_of

MAX_AHEAD = 10_000
"""Frames that may wait behind a gap."""
MAX_HELD = 5_000
"""Frames that may wait for one subscriber that still catches up."""


class Reader(Protocol):
    """A local session, as far as fan-out knows it."""

    outbox: Outbox

    @property
    def id(self) -> str: ...

    @property
    def is_moderator(self) -> bool: ...

    def end(self, close: Close) -> None:
        """Closes the connection soon; further calls change nothing."""
        ...


class Subscription:
    """One reader of one stream; `held` collects what is published while it catches up."""

    __slots__ = ("held", "is_moderator", "last", "outbox", "reader", "wants_presence")

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.outbox = reader.outbox
        self.is_moderator = reader.is_moderator
        self.last = -1
        self.held: list[Published] | None = []
        self.wants_presence = False

    def hold(self, published: Published) -> None:
        """Keeps a frame for later, within reason."""
        if self.held is None:
            return
        self.held.append(published)
        if len(self.held) > MAX_HELD:
            why = close(CloseCode.SLOW_READER, "Catching up took too long.", retry_after_ms=1_000)
            self.reader.end(why)

    async def catch_up(self, frames: tuple[Published, ...], offset: int) -> None:
        """Hands over missed frames, then the held ones, and goes live from there."""
        for published in frames:
            await self.outbox.room()
            self.outbox.put(published.seen_by(self.is_moderator))
        self.last = offset
        while self.held:
            held, self.held = self.held, []
            for published in held:
                await self.outbox.room()
                self._next(published)
        self.held = None

    def _next(self, published: Published) -> None:
        if published.offset <= self.last:
            return
        if published.offset != self.last + 1:
            self.reader.end(position_lost())
            return
        self.last = published.offset
        self.outbox.put(published.seen_by(self.is_moderator))


def position_lost() -> Close:
    """The close of a connection that must catch up by reconnecting."""
    return close(CloseCode.POSITION_LOST, "Frames were lost.", retry_after_ms=500)


class Relay:
    """The position of a stream in this process, and who reads it here.

    `behind` is set while a gap is open: somebody must then read history and call `fill`.
    """

    def __init__(self, stream: StreamInfo, group: str) -> None:
        self.stream = stream
        self.group = group
        self.position: Position | None = None
        self.subscriptions: dict[str, Subscription] = {}
        self.behind = asyncio.Event()
        self.users = 0
        """Those on their way to a subscription, and those who only listen."""
        self._ahead: dict[int, Published] = {}

    def start(self, position: Position) -> None:
        """Begins after `position`; what arrived since it was read is applied."""
        self.position = position
        self._drain()

    def receive(self, epoch: str, published: Published) -> int:
        """Takes a live frame; how many were delivered to subscribers because of it."""
        if self.position is None:
            self._ahead[published.offset] = published
            return 0
        if epoch != self.position.epoch:
            self.lose(Position(epoch, published.offset))
            return 0
        if published.offset <= self.position.offset:
            return 0
        if published.offset == self.position.offset + 1 and not self._ahead:
            return self._apply(published)
        return self._receive_ahead(published)

    def _receive_ahead(self, published: Published) -> int:
        self._ahead[published.offset] = published
        if len(self._ahead) > MAX_AHEAD:
            self.lose(None)
            return 0
        return self._drain()

    def fill(self, read: Read) -> None:
        """Closes a gap with what history has, or loses the position where it has not enough."""
        if self.position is None:
            return
        if _is_older(read.position, self.position):
            self._drain()
            return
        found = missed(read, self.position)
        if found is None:
            self.lose(read.position)
            return
        for published in found:
            self._apply(published)
        self._drain()

    def lose(self, position: Position | None) -> None:
        """Ends all subscribers' connections, since they cannot be served in order any more."""
        subscriptions, self.subscriptions = self.subscriptions, {}
        for subscription in subscriptions.values():
            subscription.reader.end(position_lost())
        self._ahead.clear()
        self.position = position
        self.behind.clear()

    def _drain(self) -> int:
        """Applies what waited and now follows; sets `behind` where a gap remains."""
        delivered = 0
        while self.position is not None and self._ahead:
            published = self._ahead.pop(self.position.offset + 1, None)
            if published is None:
                break
            delivered += self._apply(published)
        self._forget_old()
        if self._ahead:
            self.behind.set()
        else:
            self.behind.clear()
        return delivered

    def _forget_old(self) -> None:
        last = -1 if self.position is None else self.position.offset
        for offset in [offset for offset in self._ahead if offset <= last]:
            del self._ahead[offset]

    def _apply(self, published: Published) -> int:
        """Hands the next frame to everybody: the busiest loop of a gateway."""
        offset, delivered = published.offset, 0
        if self.position is not None:
            self.position = Position(self.position.epoch, offset)
        frame, size = published.frame, size_of(published.frame)
        for subscription in list(self.subscriptions.values()):
            if subscription.held is not None:
                subscription.hold(published)
            elif subscription.last + 1 == offset:
                subscription.last = offset
                if subscription.is_moderator and published.moderator_frame:
                    subscription.outbox.put(published.moderator_frame)
                else:
                    subscription.outbox.put(frame, size=size)
                delivered += 1
            elif subscription.last < offset:
                subscription.reader.end(position_lost())
        return delivered


def _is_older(read: Position, now: Position) -> bool:
    """Whether a read has nothing new: the bus was faster."""
    return read.epoch == now.epoch and read.offset <= now.offset
