"""Gathers messages into batches, and keeps only as many batches under way as workers can take.

Work-conserving: a message leaves at once while a slot is free, and waits for company otherwise.
A batch that would gain little by growing waits at the workers instead, so that none of them is
idle between two.
Live messages go before the backlog, and what came too late is left out.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_ITEMS = 32
AHEAD_ITEMS = 16
"""Such a batch costs a message hardly more than a full one: models take 128 tokens a run."""
MAX_TOKENS = 2_048
"""Padded tokens of a batch: its length times its longest text."""
SLOT_TIMEOUT_S = 3.0
BYTES_PER_TOKEN = 4
"""In UTF-8: four letters of English, one and a third of Chinese, one emoji."""
MIN_WORK = 16
"""Tokens that even the shortest text costs: what surrounds the models takes its time too."""
BACKLOG_EVERY = 4
"""One batch in so many takes from the backlog first, so that it moves however much is live."""
MAX_TEXT_TOKENS = 128
"""A longer text is cut into windows, which fill their own rows."""


@dataclass(frozen=True, slots=True)
class Batch(Generic[T]):
    """Items that go to a worker together; `expires_s` is when its slot is free again."""

    id: int
    items: tuple[T, ...]
    expires_s: float


def estimate_tokens(text: str) -> int:
    """A text's tokens, roughly, including the two that mark its ends."""
    return len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN + 3


def work(text: str) -> int:
    """What judging a text costs, in tokens."""
    return max(MIN_WORK, estimate_tokens(text))


class Batcher(Generic[T]):
    """Two first-in-first-out queues with a number of slots for batches under way.

    `is_stale` says of an item whether it is too late for it; `dropped` counts those.
    """

    def __init__(
        self,
        *,
        max_items: int = MAX_ITEMS,
        max_tokens: int = MAX_TOKENS,
        slot_timeout_s: float = SLOT_TIMEOUT_S,
        is_stale: Callable[[T], bool] = lambda _: False,
    ) -> None:
        self.slots = 1
        self.dropped = 0
        self._is_stale = is_stale
        self._max_items = max_items
        self._max_tokens = max_tokens
        self._slot_timeout_s = slot_timeout_s
        self._live: deque[tuple[T, int]] = deque()
        self._backlog: deque[tuple[T, int]] = deque()
        self._under_way: dict[int, Batch[T]] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._live) + len(self._backlog)

    def put(self, item: T, tokens: int, *, backlog: bool = False) -> None:
        """Queues an item of this many tokens; the backlog waits behind what is live."""
        (self._backlog if backlog else self._live).append((item, tokens))

    def put_back(self, batch: Batch[T], tokens: Iterable[int]) -> None:
        """Frees a batch's slot and queues its items again, before all others."""
        self.done(batch.id)
        self._live.extendleft(reversed(list(zip(batch.items, tokens, strict=True))))

    def waiting(self) -> list[T]:
        """Items that no batch has taken yet."""
        return [item for item, _ in (*self._live, *self._backlog)]

    def take(self, now_s: float) -> Batch[T] | None:
        """The next batch, if there is work and a free slot, or enough to be sent ahead."""
        self._free_expired(now_s)
        if not self._has_room() or not (items := tuple(self._gather())):
            return None
        self._last_id += 1
        batch = Batch(self._last_id, items, now_s + self._slot_timeout_s)
        self._under_way[batch.id] = batch
        return batch

    def done(self, batch_id: int) -> None:
        """Frees the batch's slot; an unknown or expired batch is none of our business."""
        self._under_way.pop(batch_id, None)

    def _has_room(self) -> bool:
        """Behind each slot's batch one more may wait, if it would gain little by growing here."""
        ahead = len(self) >= AHEAD_ITEMS
        return len(self._under_way) < self.slots * (2 if ahead else 1)

    def _gather(self) -> Iterable[T]:
        longest = rows = taken = 0
        while (queue := self._next()) and taken < self._max_items:
            tokens = queue[0][1]
            windows = max(1, -(-tokens // MAX_TEXT_TOKENS))
            longest = max(longest, min(tokens, MAX_TEXT_TOKENS))
            rows += windows
            if taken and longest * rows > self._max_tokens:
                return
            taken += 1
            yield queue.popleft()[0]

    def _next(self) -> deque[tuple[T, int]] | None:
        """The queue whose first item is next; forgets the stale ones before it."""
        queues = [self._live, self._backlog]
        if (self._last_id + 1) % BACKLOG_EVERY == 0:
            queues.reverse()
        for queue in queues:
            while queue and self._is_stale(queue[0][0]):
                queue.popleft()
                self.dropped += 1
            if queue:
                return queue
        return None

    def _free_expired(self, now_s: float) -> None:
        for batch in [each for each in self._under_way.values() if each.expires_s <= now_s]:
            self.done(batch.id)
