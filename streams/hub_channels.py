"""The hub's bus: one member of each group on the Redis channel layer, however many clients.

Every group shares one channel of this process, except that a site's group has its own, so that
a message is known to concern that site. A probe runs through the subscriber connection every
two seconds; when it does not come back the layer is flushed and everything joined again, as often
as it takes. A connection that stays open and says nothing is so replaced within 15 seconds,
however many joins wait for it: they are given up together.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import redis

from inference import metrics_prometheus as metrics
from inference.errors import Overloaded
from streams import endings

SYNC = "hub.sync"
JOIN_S = 5.0
"""How long the join of one group may take, from its turn on."""
SEND_S = 2.0
"""How long a message to a group may wait: others wait behind it."""
RESEND_S = 0.05
PROBE_S = 2.0
PROBE_TIMEOUT_S = 3.0

AWAY = (TimeoutError, redis.RedisError, OSError)
"""What the layer raises while Redis is away."""

logger = logging.getLogger(__name__)

Receive = Callable[[str, Mapping[str, Any]], None]


class ChannelBus:
    """Implements `streams.hub.Bus`; `receive(source, message)` gets what arrives, in order."""

    def __init__(self, layer: Any, own_group: str, receive: Receive) -> None:
        self._layer = layer
        self._own_group = own_group
        self._receive = receive
        self._groups: dict[str, str] = {}
        self._channels: dict[str, str] = {}
        self._receivers: dict[str, asyncio.Task[None]] = {}
        self._syncs: dict[str, asyncio.Event] = {}
        self._lock = asyncio.Lock()
        self._limits: set[asyncio.Timeout] = set()
        self._is_whole = False
        self._probe: asyncio.Task[None] | None = None
        self.is_alive = False
        """Whether all groups are joined and the last probe came back through the subscriber
        connection."""

    async def start(self) -> None:
        """Begins to receive; while Redis is away it goes on trying."""
        self._groups[self._own_group] = ""
        self._probe = asyncio.create_task(self._watch(), name="bus-probe")

    async def stop(self) -> None:
        """Stops receiving and closes the layer's connections."""
        if self._probe is not None:
            await endings.end([self._probe])
        await self._flush()

    async def join(self, group: str, source: str = "") -> None:
        """See `streams.hub.Bus`."""
        try:
            async with self._turn():
                self._groups[group] = source
                await self._add(group, source)
                await self._round_trip(group)
        except AWAY as error:
            self._groups.pop(group, None)
            raise Overloaded("Live delivery is away for a moment.") from error

    async def leave(self, group: str, source: str = "") -> None:
        """See `streams.hub.Bus`."""
        try:
            async with self._turn():
                await self._leave(group, source)
        except AWAY as error:
            logger.warning("Could not leave a group: %r", error)
        self._groups.pop(group, None)

    async def send(self, group: str, message: Mapping[str, Any]) -> None:
        """See `streams.hub.Bus`."""
        try:
            async with asyncio.timeout(SEND_S):
                await self._layer.group_send(group, dict(message))
        except AWAY as error:
            raise Overloaded("Live delivery is away for a moment.") from error

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One change of a group at a time; raises TimeoutError after JOIN_S, and as soon as the
        bus is found silent."""
        async with asyncio.timeout(None) as limit:
            self._limits.add(limit)
            try:
                async with self._lock:
                    if limit.when() is None:
                        limit.reschedule(asyncio.get_running_loop().time() + JOIN_S)
                    yield
            finally:
                self._limits.discard(limit)

    def _give_up_turns(self) -> None:
        """What waits for a silent connection waits for nothing, and would hold up its end."""
        now = asyncio.get_running_loop().time()
        for limit in self._limits:
            if not limit.expired():
                limit.reschedule(now)

    async def _leave(self, group: str, source: str) -> None:
        self._groups.pop(group, None)
        if (channel := self._channels.get(source)) is None:
            return
        try:
            await self._layer.group_discard(group, channel)
        finally:
            if source:
                await self._stop_receiver(source)

    async def _add(self, group: str, source: str) -> None:
        if source not in self._channels:
            channel = self._channels[source] = await self._layer.new_channel()
            task = asyncio.create_task(self._receive_all(channel, source))
            self._receivers[source] = task
        await self._layer.group_add(group, self._channels[source])

    async def _round_trip(self, group: str) -> None:
        """Returns when a message to the group came back: Redis then knows the subscription."""
        nonce = secrets.token_hex(8)
        event = self._syncs[nonce] = asyncio.Event()
        try:
            while not event.is_set():
                await self._layer.group_send(group, {"type": SYNC, "nonce": nonce})
                await _wait(event, RESEND_S)
        finally:
            del self._syncs[nonce]

    async def _receive_all(self, channel: str, source: str) -> None:
        while True:
            message = await self._layer.receive(channel)
            if message["type"] == SYNC:
                if (event := self._syncs.get(message["nonce"])) is not None:
                    event.set()
                continue
            try:
                self._receive(source, message)
            except Exception:  # One bad message may not stop all that come after it.
                logger.exception("A message of the type %s was dropped", message.get("type"))

    async def _watch(self) -> None:
        self._is_whole = await _succeeds(self._join_all, "Joining the first groups failed")
        while True:
            comes_back = await _succeeds(self._probe_once, "A probe of the bus was lost")
            self.is_alive = comes_back and self._is_whole
            if not self.is_alive:
                self._give_up_turns()
                self._is_whole = await _succeeds(self._rejoin, "Joining all groups again failed")
            await asyncio.sleep(PROBE_S)

    async def _probe_once(self) -> None:
        """Goes all the way round, which says nothing of other groups; waits for nobody's turn."""
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            await self._round_trip(self._own_group)

    async def _rejoin(self) -> None:
        """Makes the layer new and joins everything again; the next probe tells if that worked."""
        async with self._lock:
            async with asyncio.timeout(JOIN_S):
                await self._flush()
            metrics.SUBSCRIBER_REPLACED.inc()
            await self._add_all()

    async def _join_all(self) -> None:
        async with self._lock:
            await self._add_all()

    async def _add_all(self) -> None:
        for group, source in list(self._groups.items()):
            async with asyncio.timeout(JOIN_S):
                await self._add(group, source)

    async def _flush(self) -> None:
        self._channels.clear()
        try:
            await self._layer.flush()
        finally:
            for source in list(self._receivers):
                await self._stop_receiver(source)

    async def _stop_receiver(self, source: str) -> None:
        self._channels.pop(source, None)
        if (task := self._receivers.pop(source, None)) is not None:
            await endings.end([task])


async def _succeeds(step: Callable[[], Awaitable[None]], trouble: str) -> bool:
    """Whether a step does not fail; the log is told how it did."""
    try:
        await step()
    except AWAY as error:
        logger.warning("%s: %r", trouble, error)
    except Exception:  # A bus that nobody watches would stay deaf for good.
        logger.exception("%s", trouble)
    else:
        return True
    return False


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
