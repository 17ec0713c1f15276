"""From a gateway's accepted messages to Celery tasks, one for each batch."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import redis
from celery import Task
from kombu.exceptions import KombuError

from inference import metrics_prometheus as metrics
from inference.batching import Batch, Batcher, estimate_tokens
from policy.messages import Message

T = TypeVar("T")
logger = logging.getLogger(__name__)

AWAY = (OSError, KombuError, redis.RedisError)
"""What a broker that cannot be reached raises."""
TICK_S = 0.25
RENEW_S = 1.0


class Dispatcher:
    """Gathers messages and sends batches; keeps vouching for what it still holds.

    `task` is called with the gateway's id, the batch's id and the message ids;
    `vouch` tells the store that messages are in good hands; `slots` says how many batches
    this gateway may have under way. The latter two block and run in a thread.
    `now_ms` is the time since the Unix epoch: a message past its deadline is left to the sweeper.
    """

    def __init__(  # noqa: PLR0913 - half of them are its ways out, and two are clocks
        self,
        gateway: str,
        task: Task,
        vouch: Callable[[list[str]], None],
        slots: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._gateway = gateway
        self._task = task
        self._vouch = vouch
        self._slots = slots
        self._clock = clock
        self._batcher: Batcher[Message] = Batcher(is_stale=lambda it: it.deadline_ms <= now_ms())
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="dispatch")
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    @property
    def waiting(self) -> int:
        """Messages that are in no batch yet."""
        return len(self._batcher)

    async def start(self) -> None:
        """Starts sending."""
        self._loops = [
            asyncio.create_task(self._send_loop(), name="dispatch"),
            asyncio.create_task(self._renew_loop(), name="dispatch-renew"),
        ]

    async def stop(self) -> None:
        """Stops sending; what is still held becomes orphaned, and another gateway takes it."""
        for loop in self._loops:
            loop.cancel()
        for loop in self._loops:
            with contextlib.suppress(asyncio.CancelledError):
                await loop
        self._threads.shutdown(wait=False, cancel_futures=True)

    def put(self, message: Message, *, backlog: bool = False) -> None:
        """Queues an accepted message; it leaves at once while a slot is free.

        The backlog waits behind what is live: those whom it concerns have waited before.
        """
        self._batcher.put(message, estimate_tokens(message.text), backlog=backlog)
        self._wake.set()

    def batch_done(self, batch: str) -> None:
        """Frees the slot of a decided batch."""
        self._batcher.done(int(batch))
        self._wake.set()

    async def _send_loop(self) -> None:
        while True:
            # Not `wait_for`: before Python 3.12 it may swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            self._wake.clear()
            while batch := self._batcher.take(self._clock()):
                await self._send(batch)

    async def _send(self, batch: Batch[Message]) -> None:
        ids = [message.id for message in batch.items]
        try:
            await self._in_thread(lambda: self._enqueue(batch.id, ids))
        except AWAY as error:
            logger.warning("Keeping %d messages, the broker is away: %s", len(ids), error)
            self._keep(batch)
            await asyncio.sleep(TICK_S)

    def _enqueue(self, batch: int, ids: list[str]) -> None:
        self._vouch(ids)
        self._task.apply_async((self._gateway, str(batch), ids), retry=False)

    def _keep(self, batch: Batch[Message]) -> None:
        self._batcher.put_back(batch, [estimate_tokens(each.text) for each in batch.items])

    async def _renew_loop(self) -> None:
        while True:
            try:
                await self._renew()
            except AWAY as error:
                logger.warning("Could not renew what this gateway holds: %s", error)
            self._wake.set()
            await asyncio.sleep(RENEW_S)

    async def _renew(self) -> None:
        if ids := [message.id for message in self._batcher.waiting()]:
            await self._in_thread(lambda: self._vouch(ids))
        self._batcher.slots = max(1, await self._in_thread(self._slots))
        dropped, self._batcher.dropped = self._batcher.dropped, 0
        metrics.DROPS.labels(reason="expired").inc(dropped)

    def _in_thread(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)
