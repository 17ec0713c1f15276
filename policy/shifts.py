"""A worker's shift: it takes batch after batch from the line and judges them."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from inference.batching import work
from inference.errors import Overloaded
from policy.messages import Message

SHIFT_S = 0.5
"""After so long a worker looks for other tasks before it goes on."""
STAYS_S = 10.0
"""So long after its last message a worker waits for the next one at the line."""
BACKLOG_EVERY = 4
"""One batch in so many takes first what is judged once more, so that it moves however much is
live."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What a worker has judged since it last took a batch, in tokens, and how long that took."""

    work: int = 0
    busy_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch, and how many were left out because their deadline has passed.

    `is_over` says that the shift has ended: nothing waits, or others are enough.
    """

    messages: Sequence[Message] = ()
    late: int = 0
    is_over: bool = False


class Line(Protocol):
    """Messages that wait to be judged. Every method raises Overloaded while it is away."""

    def take(self, shift: str, done: Done, *, stays: bool, backlog_first: bool) -> Taken:
        """The next batch: live messages first, or the backlog.

        A shift that finds nothing ends, unless it `stays`.
        """
        ...

    def wait(self, timeout_s: float) -> None:
        """Returns when there is something to take, or after so long."""
        ...

    def leave(self, shift: str) -> None:
        """Ends a shift, so that another worker may be called."""
        ...


class Worker:
    """Works shifts, one at a time; one for each process that judges.

    `judge` decides a batch. What it raises leaves the batch undecided and ends the shift.
    `late` hears how many messages were left to the fail mode.
    """

    def __init__(
        self,
        line: Line,
        judge: Callable[[Sequence[Message]], None],
        late: Callable[[int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = line
        self._judge = judge
        self._late = late
        self._clock = clock
        self._busy_at = -STAYS_S
        self._done = Done()
        self._turns = count(1)
        self._closing = False

    def close(self) -> None:
        """Takes nothing more: the shift ends after the batch under way."""
        self._closing = True

    def work(self, shift: str) -> bool:
        """Judges what waits, for a while; whether the shift has to go on after that."""
        try:
            return self._work(shift)
        except Overloaded as error:
            logger.warning("A shift ends: %s", error.detail)
            return False
        except Exception:
            self._leave(shift)
            raise

    def _work(self, shift: str) -> bool:
        ends = self._clock() + SHIFT_S
        while not self._closing:
            stays = self._clock() < self._busy_at + STAYS_S
            backlog_first = next(self._turns) % BACKLOG_EVERY == 0
            done, self._done = self._done, Done()
            taken = self._line.take(shift, done, stays=stays, backlog_first=backlog_first)
            self._late(taken.late)
            if taken.is_over:
                return False
            if taken.messages:
                self._decide(taken.messages)
            if (left := ends - self._clock()) <= 0:
                return True
            if not taken.messages:
                self._line.wait(left)
        self._leave(shift)
        return False

    def _decide(self, messages: Sequence[Message]) -> None:
        began = self._clock()
        self._judge(messages)
        self._busy_at = self._clock()
        self._done = Done(sum(work(each.text) for each in messages), self._busy_at - began)

    def _leave(self, shift: str) -> None:
        try:
            self._line.leave(shift)
        except Overloaded as error:
            logger.warning("A shift is left to its lease: %s", error.detail)
