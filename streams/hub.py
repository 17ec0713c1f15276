"""Fan-out in one process: one member of each group, many sessions.

The bus brings every frame once; relays keep each stream in order; a check every two seconds
finds what the bus lost without anybody noticing.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from inference.errors import Overloaded
from streams import endings, keys
from streams.directory import StreamInfo
from streams.frames import Position
from streams.history import History, Published, Read, missed
from streams.relays import Reader, Relay, Subscription

CHECK_S = 2.0
IN_FLIGHT_S = 0.25
"""How long a published frame may be on its way before it counts as lost."""
RETRY_S = 0.5
CHUNK = 500

logger = logging.getLogger(__name__)


class Bus(Protocol):
    """Groups whose members are processes."""

    async def join(self, group: str, source: str = "") -> None:
        """Returns when messages to `group` arrive here; raises Overloaded if they do not.

        They are handed over together with `source`.
        """
        ...

    async def leave(self, group: str, source: str = "") -> None: ...

    async def send(self, group: str, message: Mapping[str, Any]) -> None:
        """Raises Overloaded while the bus is away."""
        ...


class Companion(Protocol):
    """Whoever else hears what is said in a stream's group."""

    async def joined(self, stream: StreamInfo) -> None:
        """The group was joined; nobody is attached before this returns. Raises Overloaded."""
        ...

    def left(self, stream: StreamInfo) -> None:
        """The group was left: nothing more is heard."""
        ...


class Hub:
    """Streams with local subscribers."""

    companion: Companion | None = None

    def __init__(
        self, bus: Bus, history: History, delivered: Callable[[str, int], None] = lambda *_: None
    ) -> None:
        self._bus = bus
        self._history = history
        self._delivered = delivered
        self._relays: dict[str, Relay] = {}
        self._ready: dict[str, asyncio.Task[None]] = {}
        self._fills: dict[str, asyncio.Task[None]] = {}
        self._reads: dict[tuple[str, int | None, int], asyncio.Task[Read]] = {}

    async def subscribe(
        self,
        reader: Reader,
        stream: StreamInfo,
        since: Position | None,
        recent: int,
        answer: Callable[[Position, bool], str],
    ) -> None:
        """Attaches a reader: first `answer(position, recovered)`, then what it missed, then live.

        Raises Overloaded while history or the bus is away; the reader is then not attached.
        """
        relay = self._relay(stream)
        relay.users += 1
        try:
            await asyncio.shield(self._ready[relay.group])
            subscription = Subscription(reader)
            relay.subscriptions[reader.id] = subscription
            read = await self._read(relay, since, recent)
        except BaseException:
            self.unsubscribe(reader.id, stream.site, stream.name)
            raise
        finally:
            relay.users -= 1
        found = read.frames if since is None else missed(read, since)
        reader.outbox.put(answer(read.position, found is not None))
        await subscription.catch_up(found or (), read.position.offset)

    async def hold(self, stream: StreamInfo) -> None:
        """Hears what is said in a stream until `release`; raises Overloaded, and then not."""
        relay = self._relay(stream)
        relay.users += 1
        try:
            await asyncio.shield(self._ready[relay.group])
        except BaseException:
            relay.users -= 1
            raise

    def release(self, site: str, stream: str) -> None:
        """Ends one `hold`."""
        self._relays[keys.stream_group(site, stream)].users -= 1

    def unsubscribe(self, reader: str, site: str, stream: str) -> None:
        """Detaches a reader; does nothing for one that is not attached."""
        relay = self._relays.get(keys.stream_group(site, stream))
        if relay is not None:
            relay.subscriptions.pop(reader, None)

    def subscription(self, reader: str, site: str, stream: str) -> Subscription | None:
        """A reader's attachment to a stream, if there is one."""
        relay = self._relays.get(keys.stream_group(site, stream))
        return relay.subscriptions.get(reader) if relay is not None else None

    def streams(self) -> list[StreamInfo]:
        """Those with readers here."""
        return [relay.stream for relay in self._relays.values() if relay.subscriptions]

    def asked_presence(self) -> list[tuple[StreamInfo, list[Subscription]]]:
        """Streams with readers who asked who is there, and those readers."""
        found = [
            (relay.stream, [each for each in relay.subscriptions.values() if each.wants_presence])
            for relay in self._relays.values()
        ]
        return [(stream, askers) for stream, askers in found if askers]

    def receive(self, message: Mapping[str, Any]) -> None:
        """Takes a message of a stream's group from the bus."""
        site, _, stream = message["stream"].partition("/")
        relay = self._relays.get(keys.stream_group(site, stream))
        if relay is None:
            return
        if message["type"] == "stream.event":
            self._event(relay, message)
            return
        frame, moderator_frame = message["frame"], message["moderator_frame"]
        published = Published(message["offset"], frame, moderator_frame)
        kind = "removed" if frame.startswith('{"type":"removed"') else "message"
        self._delivered(kind, relay.receive(message["epoch"], published))
        self._fill_if_behind(relay)

    def _event(self, relay: Relay, message: Mapping[str, Any]) -> None:
        """What carries no offset and may be lost."""
        kind, frame = message["kind"], message["frame"]
        # Who comes and goes is one topic: of a user's last two, the last one is true.
        about = "typing" if kind == "typing" else "presence"
        topic = f"{about}:{message['stream']}:{message['user']}"
        count = 0
        for id, subscription in relay.subscriptions.items():
            wanted = kind == "typing" or subscription.wants_presence
            if wanted and subscription.held is None and id != message.get("session"):
                subscription.outbox.put_droppable(frame, topic)
                count += 1
        self._delivered(kind, count)

    async def check(self) -> None:
        """Compares all positions with history's, fills what was lost, leaves idle streams.

        Raises Overloaded while history is away.
        """
        await self._leave_idle()
        relays = [relay for relay in self._relays.values() if relay.position is not None]
        for start in range(0, len(relays), CHUNK):
            await self._check_some(relays[start : start + CHUNK])

    async def _check_some(self, relays: list[Relay]) -> None:
        floors = [relay.position for relay in relays]
        names = [(relay.stream.site, relay.stream.name) for relay in relays]
        found = await self._history.positions(names)
        for relay, floor, position in zip(relays, floors, found, strict=True):
            if floor and position and _went_back(floor, position):
                logger.warning("The history of %s went back", relay.stream.name)
                await self._history.restart(relay.stream, floor.epoch)
        stale = [pair for pair in zip(relays, found, strict=True) if _is_stale(*pair)]
        if stale:
            await asyncio.sleep(IN_FLIGHT_S)
        for relay, position in stale:
            self._catch_up(relay, position)

    def _catch_up(self, relay: Relay, position: Position | None) -> None:
        """Sees to a relay whose position differed from history's a moment ago."""
        if relay.position is None or not _is_stale(relay, position):
            return
        if position is None or position.epoch != relay.position.epoch:
            logger.warning("The epoch of %s changed", relay.stream.name)
            relay.lose(position)
        else:
            relay.behind.set()
            self._fill_if_behind(relay)

    async def stop(self) -> None:
        """Ends the work under way."""
        await endings.end([*self._ready.values(), *self._fills.values(), *self._reads.values()])

    def _relay(self, stream: StreamInfo) -> Relay:
        """The stream's relay; the first caller makes it and starts its joining."""
        group = keys.stream_group(stream.site, stream.name)
        if (relay := self._relays.get(group)) is None:
            relay = self._relays[group] = Relay(stream, group)
        if (ready := self._ready.get(group)) is None or (ready.done() and _failed(ready)):
            self._ready[group] = asyncio.create_task(self._join(relay))
        return relay

    async def _join(self, relay: Relay) -> None:
        await self._bus.join(relay.group)
        if self.companion is not None:
            await self.companion.joined(relay.stream)
        relay.start((await self._history.recent(relay.stream, 0)).position)

    async def _leave_idle(self) -> None:
        for group, relay in list(self._relays.items()):
            ready = self._ready[group]
            if relay.users == 0 and not relay.subscriptions and ready.done():
                del self._relays[group], self._ready[group]
                if self.companion is not None:
                    self.companion.left(relay.stream)
                await self._bus.leave(group)

    async def _read(self, relay: Relay, since: Position | None, recent: int) -> Read:
        """A read that is not older than the relay: what came before it is in it,
        and what comes after it reaches the subscription."""
        for _ in range(5):
            if relay.position is None:
                relay.start((await self._history.recent(relay.stream, 0)).position)
            floor = relay.position
            assert floor is not None  # noqa: S101 (`start` has set it)
            same_epoch = since is not None and since.epoch == floor.epoch
            read = await self._shared(relay, since.offset if since and same_epoch else None, recent)
            if read.position.epoch != floor.epoch:
                relay.lose(read.position)
                raise Overloaded("The stream has just begun anew.", retry_after_ms=100)
            if read.position.offset >= floor.offset:
                return read
        raise Overloaded("The stream's history is behind.", retry_after_ms=500)

    async def _shared(self, relay: Relay, offset: int | None, recent: int) -> Read:
        """Identical reads under way are one."""
        key = (relay.group, offset, recent)
        if (task := self._reads.get(key)) is None:
            history = self._history
            read = (
                history.recent(relay.stream, recent)
                if offset is None
                else history.since(relay.stream, offset)
            )
            task = self._reads[key] = asyncio.ensure_future(read)
            task.add_done_callback(lambda _: self._reads.pop(key, None))
        return await asyncio.shield(task)

    def _fill_if_behind(self, relay: Relay) -> None:
        if relay.behind.is_set() and relay.group not in self._fills:
            task = asyncio.create_task(self._fill(relay))
            self._fills[relay.group] = task
            task.add_done_callback(lambda _: self._fills.pop(relay.group, None))

    async def _fill(self, relay: Relay) -> None:
        while relay.behind.is_set() and relay.position is not None:
            try:
                read = await self._history.since(relay.stream, relay.position.offset)
            except Overloaded:
                await asyncio.sleep(RETRY_S)
                continue
            relay.behind.clear()
            relay.fill(read)
            if relay.behind.is_set():
                await asyncio.sleep(IN_FLIGHT_S)


def _is_stale(relay: Relay, position: Position | None) -> bool:
    """Whether history is ahead of the relay, behind it, or another history altogether."""
    return relay.position is not None and (
        position is None
        or position.epoch != relay.position.epoch
        or position.offset > relay.position.offset
    )


def _went_back(before: Position, after: Position) -> bool:
    """Whether history lost frames that were seen here: its last second, after a loss of power."""
    return before.epoch == after.epoch and after.offset < before.offset


def _failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None
