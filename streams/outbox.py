"""What waits to be written to one client: bounded in bytes, one writer, many frames a write.

Frames leave at the end of the event loop's turn in which they came, together. A task is made only
where the client's transport makes the writer wait, so idle and fast connections cost none.
"""

import asyncio
import logging
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeAlias

from streams.stalls import Stall, Taken, unknown

MAX_BYTES = 1024 * 1024
MAX_JOINED = 16
"""Frames in one WebSocket message."""
MAX_JOINED_BYTES = 64 * 1024

logger = logging.getLogger(__name__)

Write: TypeAlias = Callable[[str], Coroutine[Any, Any, None]]
Make: TypeAlias = Callable[[], str]
"""Makes a frame at the moment it is sent; an empty one is not sent."""


class _Item:
    """One waiting frame; `topic` names what a newer droppable frame replaces, `make` makes the
    frame when its turn comes."""

    __slots__ = ("frame", "make", "sent", "size", "topic")

    def __init__(
        self,
        frame: str,
        size: int,
        topic: str | None,
        sent: Callable[[], None] | None,
        make: Make | None = None,
    ) -> None:
        self.frame = frame
        self.make = make
        self.size = size
        self.topic = topic
        self.sent = sent


class Outbox:
    """Frames on their way to one client, in order.

    `write` sends one WebSocket message and returns when the transport took it; it begins in
    whatever task is running, so it may not ask for the current one before it first waits.
    `taken` counts what the client takes, as far as its server knows.
    `overflow` is called once, when what waits exceeds `max_bytes`; after that, and after
    `close`, frames are dropped.
    """

    __slots__ = (
        "_clock",
        "_failed",
        "_items",
        "_max_bytes",
        "_overflow",
        "_room",
        "_scheduled",
        "_stall",
        "_taken",
        "_topics",
        "_write",
        "_writer",
        "closed",
        "dropped",
        "pending_bytes",
        "writing_since",
    )

    def __init__(  # noqa: PLR0913 - most of them have defaults
        self,
        write: Write,
        overflow: Callable[[], None],
        *,
        failed: Callable[[], None] = lambda: None,
        clock: Callable[[], float],
        taken: Taken = unknown,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._write = write
        self._overflow = overflow
        self._failed = failed
        self._clock = clock
        self._stall = Stall(clock)
        self._taken = taken
        self._max_bytes = max_bytes
        self._items: deque[_Item] = deque()
        self._topics: dict[str, _Item] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._scheduled = False
        self.pending_bytes = 0
        """Bytes that wait, those of the write under way included."""
        self.writing_since: float | None = None
        """When the write that waits for the transport began; None while there is none."""
        self.closed = False
        self.dropped = 0

    def put(self, frame: str, *, size: int = 0, sent: Callable[[], None] | None = None) -> None:
        """Adds a frame; `size` is its length in bytes if known; `sent` is called once written."""
        if not self.closed:
            self._append(_Item(frame, size or size_of(frame), None, sent))

    def put_droppable(self, frame: str, topic: str) -> None:
        """Adds a frame that may be lost: a waiting one of its topic makes way for it,
        and it is dropped while the client is behind."""
        if self.closed:
            return
        waiting = self._topics.pop(topic, None) if self._topics else None
        if waiting is not None:
            self._forget(waiting)
        elif self.pending_bytes > self._max_bytes // 2:
            self.dropped += 1
            return
        item = _Item(frame, size_of(frame), topic, None)
        self._topics = self._topics or {}
        self._topics[topic] = item
        self._append(item)

    def put_late(self, make: Make) -> None:
        """Adds a frame that is made when its turn comes; until then it takes no room."""
        if not self.closed:
            self._append(_Item("", 0, None, None, make))

    async def room(self) -> None:
        """Returns when less than half of the bound is used, or the outbox is closed."""
        while not self.closed and self.pending_bytes > self._max_bytes // 2:
            if self._room is None:
                self._room = asyncio.Event()
            self._room.clear()
            await self._room.wait()

    def stalled_s(self) -> float:
        """Seconds for which the client has taken nothing, while a write waits for it."""
        return self._stall.lasts(self.writing_since, self._taken)

    async def drained(self) -> None:
        """Returns when everything was written, or writing has failed."""
        self._flush()
        while self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer])

    def close(self) -> None:
        """Takes no more frames; those that wait are still written."""
        self.closed = True
        self._wake()

    def discard(self) -> None:
        """Takes no more frames and forgets those that wait."""
        self._items.clear()
        self._topics = None
        self.pending_bytes = 0
        self.close()
        if self._writer is not None:
            self._writer.cancel()

    def _append(self, item: _Item) -> None:
        self._items.append(item)
        self.pending_bytes += item.size
        if self.pending_bytes > self._max_bytes and not self._drop():
            self.closed = True
            self._overflow()
        elif self._writer is None and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _drop(self) -> bool:
        """Drops what may be lost; whether the rest fits."""
        for item in (self._topics or {}).values():
            self._forget(item)
        self._topics = None
        return self.pending_bytes <= self._max_bytes

    def _forget(self, item: _Item) -> None:
        self._items.remove(item)
        self.pending_bytes -= item.size
        self.dropped += 1

    def _flush(self) -> None:
        """Writes what waits, as far as the transport takes it at once."""
        self._scheduled = False
        try:
            while self._items and self._writer is None:
                self._write_some()
        except Exception as error:  # Whatever a server raises when its client has gone.
            self._fail(error)

    def _write_some(self) -> None:
        items, size = self._take()
        if not items:
            return
        text = items[0].frame if len(items) == 1 else "\n".join([item.frame for item in items])
        writing = self._write(text)
        try:
            waited = writing.send(None)
        except StopIteration:
            self._written(items, size)
            return
        self.writing_since = self._clock()
        rest = self._finish(_resumed(writing, waited), items, size)
        self._writer = asyncio.get_running_loop().create_task(rest)

    async def _finish(self, writing: Awaitable[None], items: list[_Item], size: int) -> None:
        """Waits for the transport, then writes what came meanwhile."""
        try:
            await writing
            self._written(items, size)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # As above.
            self._fail(error)
        finally:
            self._writer = None
            self.writing_since = None
            self._wake()
        self._flush()

    def _written(self, items: list[_Item], size: int) -> None:
        self.pending_bytes = max(0, self.pending_bytes - size)
        for item in items:
            if item.sent is not None:
                item.sent()
        if self._room is not None:
            self._wake_if_room()

    def _fail(self, error: Exception) -> None:
        if isinstance(error, OSError):
            logger.info("A client was gone before all was written to it: %r", error)
        else:
            logger.warning("A client cannot be written to any more", exc_info=error)
        self.close()
        self._items.clear()
        self._failed()

    def _take(self) -> tuple[list[_Item], int]:
        items: list[_Item] = []
        size = 0
        while self._items and len(items) < MAX_JOINED:
            item = self._items[0]
            if item.make is not None:
                self._make(item, item.make)
            if items and size + item.size > MAX_JOINED_BYTES:
                break
            self._items.popleft()
            if item.frame:
                items.append(item)
                size += item.size
        if self._topics:
            for item in items:
                if item.topic is not None:
                    self._topics.pop(item.topic, None)
        return items, size

    def _make(self, item: _Item, make: Make) -> None:
        item.frame, item.make = make(), None
        item.size = size_of(item.frame)
        self.pending_bytes += item.size

    def _wake_if_room(self) -> None:
        if self.pending_bytes <= self._max_bytes // 2:
            self._wake()

    def _wake(self) -> None:
        if self._room is not None:
            self._room.set()


@types.coroutine
def _resumed(coroutine: Coroutine[Any, Any, None], waited: Any) -> Generator[Any, Any, None]:
    """The rest of a coroutine that was started by hand and now waits for `waited`."""
    while True:
        try:
            value = yield waited
        except BaseException as error:  # Thrown in by the task: the coroutine's to handle.
            step = partial(coroutine.throw, error)
        else:
            step = partial(coroutine.send, value)
        try:
            waited = step()
        except StopIteration:
            return


def size_of(frame: str) -> int:
    """Its bytes in UTF-8."""
    return len(frame) if frame.isascii() else len(frame.encode("utf-8", "surrogatepass"))
