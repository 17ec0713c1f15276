"""The worker's loop: takes a generation, writes it, ends it, and takes the next that waits."""

import logging
from collections.abc import Callable
from itertools import chain, repeat

from generation.answer import Answer, Ports, patiently
from generation.endings import Lost
from generation.generations import Generation
from generation.leases import Leases
from inference.errors import Overloaded

MAX_TAKEN = 4
"""So many for one task: then others have their turn, such as messages that are to be answered."""

logger = logging.getLogger(__name__)


class Runner:
    """Writes answers, each in the thread that calls `run`; one for each process."""

    def __init__(self, ports: Ports, leases: Leases) -> None:
        self._ports = ports
        self._leases = leases

    def run(self, id: str) -> None:
        """Writes this generation, if it still waits, and then a few others that wait.

        That a task named one is only a nudge: a worker with time to spare needs no other.
        """
        work = self._ports.work
        for claim in chain([lambda: work.claim(id)], repeat(work.claim_next, MAX_TAKEN - 1)):
            if (found := self._claim(claim)) is None:
                return
            self._write(found)

    def _claim(self, claim: Callable[[], Generation | None]) -> Generation | None:
        if self._leases.draining:
            return None
        try:
            return claim()
        except Overloaded as error:
            logger.warning("No generation is taken now: %s", error)
            return None

    def _write(self, generation: Generation) -> None:
        waited_s = max(0, self._ports.now_ms() - generation.accepted_ms) / 1000
        self._ports.watcher.began(waited_s)
        with self._leases.held(generation.id) as stop:
            answer = Answer(generation, self._ports, stop)
            try:
                self._finish(generation, answer)
            except Lost:
                logger.warning("A generation was taken for dead while it was written")
            except Overloaded as error:
                logger.warning("The end of a generation was left to its lease: %s", error)
            finally:
                self._ports.watcher.over()

    def _finish(self, generation: Generation, answer: Answer) -> None:
        ending = answer.write()
        ended = patiently(
            lambda: self._ports.work.finish(
                generation,
                ending.reason,
                answer.usage,
                code=ending.code,
                detail=ending.detail,
                retry_after_ms=ending.retry_after_ms,
            )
        )
        if ended:
            self._ports.watcher.ended(ending.reason, answer.usage)
