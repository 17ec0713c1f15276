"""Writes a generation that was claimed, and ends it."""

import logging

from generation.answer import Answer, Ports, patiently
from generation.endings import Lost
from generation.generations import Generation
from generation.leases import Leases
from inference.errors import Overloaded

logger = logging.getLogger(__name__)


class Runner:
    """Writes answers, each in the thread that calls `write`; one for each process."""

    def __init__(self, ports: Ports, leases: Leases) -> None:
        self._ports = ports
        self._leases = leases

    def write(self, generation: Generation) -> None:
        """Writes what was claimed, to its end."""
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
