"""What a gateway process runs beside its connections: built once for each event loop, and drained
before the process ends."""

import asyncio
import contextlib
import logging
import os
import socket
import time
import weakref
from collections.abc import Mapping
from functools import partial
from secrets import token_hex
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings

from generation.generations_redis import RedisGenerations
from inference import connection_redis
from inference import metrics_prometheus as metrics
from policy import tasks
from policy.dispatch_celery import AWAY, Calls
from policy.metrics_prometheus import count
from policy.policies_db import policies
from policy.sweeper_redis import Sweeper
from streams import apps, endings, keys, limits_db, rounds, tokens_jwt
from streams.admission_redis import RedisAdmission
from streams.assistance_celery import Assistance
from streams.attendance_redis import RedisAttendance
from streams.audience import Audience
from streams.crowds import Crowds
from streams.directory_db import CachedDirectory
from streams.drains import DRAIN_S, send_all_away, send_away
from streams.following import Following, Sources
from streams.gateways_redis import GatewayLease
from streams.generating import Generating, Makers
from streams.history_redis import RedisHistory
from streams.hub import Hub
from streams.hub_channels import ChannelBus
from streams.mailboxes_redis import RedisMailboxes
from streams.ports import Ports
from streams.presence_redis import RedisPresences
from streams.readiness import Readiness
from streams.removal_redis import RedisRemoval
from streams.renewal import renew
from streams.roster import Roster
from streams.sessions import Session
from streams.sessions_redis import RedisSessions
from streams.threads_db import in_thread as in_thread
from streams.turnstile_redis import LimitsInUse
from streams.withdrawals import withdraw_gone

TICK_S = 0.5
RENEW_S = 10.0
REFRESH_S = 0.5
SWEEP_S = 1.0
LIMITS_S = 2.0
CROWDS_S = 2.0
MAIL_S = 1.0
LEFT_S = 1.0
MAX_ASKING = 128
"""Sessions that ask Redis at the same time; the others wait their turn."""

logger = logging.getLogger(__name__)
_every = partial(rounds.every, AWAY)
_tolerantly = partial(rounds.tolerantly, AWAY)


class Gateway:
    """Everything that the sessions of one process share; see `gateway`."""

    def __init__(self, url: str) -> None:
        self.id = f"{socket.gethostname()[:40]}.{os.getpid()}.{token_hex(4)}"
        self._url = url
        self.sessions: set[Session] = set()
        self._empty = asyncio.Event()
        self.draining = False
        self.lease = GatewayLease(url, self.id)
        self._limits = LimitsInUse(url, self.id, apps.turnstile().use)
        self.bus = ChannelBus(get_channel_layer(), keys.gateway_group(self.id), self._receive)
        self.hub = Hub(self.bus, RedisHistory(url), _count_sent)
        self.audience = Audience(self.bus, RedisMailboxes(url), tasks.now_ms)
        self.directory = CachedDirectory(url)
        self.store = RedisSessions(url)
        self.presences = RedisPresences(url, self.id, self.bus.send)
        self.roster = Roster(self.presences)
        self._crowds = Crowds(self.hub, self.presences, _count_sent)
        self._unknown = True
        self.readiness = Readiness(
            self._send_probe, time.monotonic, hears=lambda: self.bus.is_alive
        )
        self.call_worker = Calls(tasks.judge)
        self._sweeper = Sweeper(
            tasks.store(), tasks.line(), tasks.publisher(), policies, tasks.now_ms, count
        )
        self._loops: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(MAX_ASKING)
        home = keys.gateway_group(self.id)
        self.generations = RedisGenerations(url, gateway=self.id, home=home)
        self.assistance = Assistance(url)
        self.generating = self._make_generating()
        self.ports = self._make_ports(RedisAdmission(url, self.call_worker), RedisRemoval(url))

    def _make_generating(self) -> Generating:
        now, gate, found = time.monotonic, self._gate, self.assistance
        following = self.hub.companion = Following(
            Sources(self.hub, self.bus, self.directory, self.generations, gate, now, _count_sent)
        )
        attendance = RedisAttendance(self._url)
        makers = Makers(self.generations, found.compose, found.dispatch, attendance, found.book)
        return Generating(following, makers, gate, now)

    def _make_ports(self, admission: RedisAdmission, removal: RedisRemoval) -> Ports:
        return Ports(
            hub=self.hub,
            bus=self.bus,
            audience=self.audience,
            admission=admission,
            directory=self.directory,
            store=self.store,
            removal=removal,
            roster=self.roster,
            generating=self.generating,
            verify=lambda token: tokens_jwt.verify(
                settings.RTAI_SECRETS["tokens"], token, time.time()
            ),
            now_ms=tasks.now_ms,
            clock=time.monotonic,
            gate=self._gate,
            sent=_count_sent,
        )

    async def start(self) -> None:
        """Starts everything; raises only where the database was never read."""
        await in_thread(self.directory.refresh)
        await in_thread(limits_db.ensure_synced)
        await _tolerantly(lambda: in_thread(self._limits.refresh), "limits in use")
        await _tolerantly(self.assistance.refresh, "assistants")
        await self.bus.start()
        self._loops = [
            _every(TICK_S, self._tick, "tick"),
            _every(1.0, self._renew_lease, "lease"),
            _every(2.0, self.hub.check, "positions"),
            _every(MAIL_S, self.audience.settle, "mail"),
            _every(2.0, self.audience.check, "late verdicts"),
            _every(LEFT_S, self.roster.settle, "roster"),
            _every(REFRESH_S, self._refresh, "directory"),
            _every(SWEEP_S, self._sweep, "sweep"),
            _every(LIMITS_S, lambda: in_thread(limits_db.ensure_synced), "limits"),
            _every(REFRESH_S, lambda: in_thread(self._limits.refresh), "limits in use"),
            _every(RENEW_S, self._renew, "sessions"),
            _every(RENEW_S, self.presences.bury, "presence"),
            _every(CROWDS_S, self._crowds.check, "crowds"),
            _every(REFRESH_S, self.assistance.refresh, "assistants"),
            _every(2.0, self.generating.check, "answers"),
            _every(SWEEP_S, self.generating.sweep, "generations"),
        ]

    async def stop(self) -> None:
        """Stops everything; what it held is taken over by other gateways."""
        await endings.end(self._loops)
        self.call_worker.stop()
        await self.hub.stop()
        await self.generating.following.stop()
        await _tolerantly(self.audience.settle, "mail")
        await self.bus.stop()
        await _tolerantly(lambda: in_thread(self.lease.end), "lease")
        await connection_redis.async_client(self._url).aclose()

    async def drain(self) -> None:
        """Sends all clients away, in batches, each told when to come back."""
        self.draining = self.readiness.draining = True
        await send_all_away(self.sessions)
        await self._gone()

    def add(self, session: Session) -> None:
        """Takes an open session under its care; one that comes during a drain goes at once."""
        self.sessions.add(session)
        if self.draining:
            send_away(session)

    def remove(self, session: Session) -> None:
        """Lets a session go."""
        self.sessions.discard(session)
        if not self.sessions:
            self._empty.set()

    async def _gone(self) -> None:
        """Returns when all sessions have ended, or have had their time."""
        self._empty.clear()
        if self.sessions:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await self._empty.wait()

    def _receive(self, source: str, message: Mapping[str, Any]) -> None:
        """Where messages from the bus go."""
        match message["type"]:
            case "stream.frame" | "stream.event":
                self.hub.receive(message)
            case "user.frame" | "session.close":
                self.audience.receive(source, message)
            case "generation.start" | "generation.token" | "generation.done":
                self.generating.following.receive(message)
            case "probe.done":
                self.readiness.done(message["probe"], message["ok"], message["detail"])
            case other:
                logger.warning("A message of the unknown type %s came", other)

    async def _tick(self) -> None:
        for session in list(self.sessions):
            session.tick()

    async def _refresh(self) -> None:
        await in_thread(self.directory.refresh)
        await withdraw_gone(self.hub.streams(), self.directory, self.sessions)

    async def _sweep(self) -> None:
        swept = await in_thread(self._sweeper.sweep)
        metrics.REDISPATCHED.inc(swept.orphans)
        if swept.shift:
            self.call_worker(swept.shift)

    async def _renew_lease(self) -> None:
        self._unknown |= await in_thread(self.lease.renew)
        if self._unknown:
            # Redis lost them, or another gateway believed them gone.
            await self.roster.join_again((each.client, each.streams) for each in self.sessions)
            self._unknown = False

    async def _renew(self) -> None:
        await renew(self.store, self.sessions, self.id)

    async def _send_probe(self, probe: str) -> None:
        try:
            await in_thread(
                lambda: tasks.probe.apply_async((self.id, probe), retry=False, expires=30)
            )
        except AWAY as error:
            raise OSError(str(error)) from error


_gateways: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[Gateway]]" = (
    weakref.WeakKeyDictionary()
)


async def gateway() -> Gateway:
    """This process's gateway, started at the first call; a failed start is tried again."""
    loop = asyncio.get_running_loop()
    starting = _gateways.get(loop)
    if starting is None or (starting.done() and (starting.cancelled() or starting.exception())):
        starting = _gateways[loop] = asyncio.create_task(_start())
    return starting.result() if starting.done() else await asyncio.shield(starting)


async def drain() -> None:
    """Lets all clients go and stops this process's gateway, if it has one.

    Until it has stopped, whoever asks for the gateway gets this one and sees that it drains.
    """
    loop = asyncio.get_running_loop()
    if (starting := _gateways.get(loop)) is None:
        return
    running = await starting
    await running.drain()
    await running.stop()
    _gateways.pop(loop, None)


async def _start() -> Gateway:
    made = Gateway(settings.RTAI_REDIS_URL)
    await made.start()
    return made


def _count_sent(kind: str, count: int) -> None:
    if count:
        metrics.FRAMES_SENT.labels(kind).inc(count)
