"""Sees to it that every accepted message is decided, whatever dies on the way."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from policy.judging import Clock, PolicyBook, judge_late
from policy.messages import Message, Verdict
from policy.messages_redis import MessageStore
from policy.verdicts import Publisher


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep found: messages to judge again, and how many the fail mode decided."""

    orphans: list[Message]
    late: int


class Sweeper:
    """Adopts orphaned messages and decides late ones; every gateway runs one.

    `decided` hears of the late ones, for the counters.
    """

    def __init__(
        self,
        store: MessageStore,
        publisher: Publisher,
        policies: Callable[[], PolicyBook],
        clock: Clock,
        decided: Callable[[Sequence[Verdict], Sequence[bool]], None] = lambda *_: None,
    ) -> None:
        self._store = store
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
        return Swept(orphans=self._store.claim_orphans(), late=sum(decided))
