"""Tells what was decided while the next batch is scored.

Models leave Python to others while they run, so a worker that tells in a second thread has them
at work nearly all the time.
"""

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

logger = logging.getLogger(__name__)


class Announcer:
    """Runs one step after the other, each in the caller's thread until `start` is called.

    In its own thread it is at most one step behind: whoever hands over the next one waits for
    the one before, so that what is decided never piles up.
    """

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._last: Future[None] | None = None

    def start(self) -> None:
        """Runs steps in a thread of its own from now on, where what they raise is logged."""
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="announce")

    def stop(self) -> None:
        """Returns when every step was run; later ones run in the caller's thread again."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    def run(self, step: Callable[[], None]) -> None:
        """Runs a step, now or as soon as the one before has ended."""
        if self._thread is None:
            step()
            return
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(_logged, step)


def _logged(step: Callable[[], None]) -> None:
    try:
        step()
    except Exception:  # Whatever it is, the next batch needs this thread.
        logger.exception("What was decided is not told")
