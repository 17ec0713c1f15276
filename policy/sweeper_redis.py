"""Sees to it that every accepted message is decided, whatever dies on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policy.judging import Clock, PolicyBook, judge_late
from policy.line_redis import RedisLine
from policy.messages import Verdict
from policy.messages_redis import MessageStore
from policy.verdicts import Publisher


@dataclass(frozen=True, slots=True)
class Swept:
    """How many messages one sweep put in line again, how many the fail mode decided, and the shift
    to which a worker must be called, if there is one."""

    orphans: int
    late: int
    shift: str


class Sweeper:
    """Puts orphaned messages in line again and decides late ones; every gateway runs one.

    `decided` hears of the late ones, for the counters.
    """

    def __init__(  # noqa: PLR0913 - what it sweeps, and by what it decides
        self,
        store: MessageStore,
        line: RedisLine,
        publisher: Publisher,
        policies: Callable[[], PolicyBook],
        clock: Clock,
        decided: Callable[[Sequence[Verdict], Sequence[bool]], None] = lambda *_: None,
    ) -> None:
        self._store = store
        self._line = line
        self._publisher = publisher
        self._policies = policies
        self._clock = clock
        self._decided = decided

    def sweep(self) -> Swept:
        """One round; raises redis.RedisError while Redis is away."""
        late = self._store.late()
        if late:
            verdicts = judge_late(late, self._policies(), self._clock)
            decided = self._publisher.publish(verdicts)
            self._decided(verdicts, decided)
        else:
            decided = []
        tended = self._line.tend()
        return Swept(tended.orphans, sum(decided), tended.shift)
