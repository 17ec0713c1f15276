"""Keeps this worker's generations alive, and hears which of them must stop."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from generation.endings import Ending, Stop
from generation.generations import FinishReason
from generation.store import Work
from inference.errors import ModelUnavailable, Overloaded

LOOK_S = 0.1
DRAIN_S = 2.0
"""How long generations may go on once their worker was asked to stop."""
RENEW_S = 1.0
CANCELLED = Ending(FinishReason.CANCELLED)
SHUTDOWN = Ending(FinishReason.INTERRUPTED, ModelUnavailable.code, "The worker was shut down.")

logger = logging.getLogger(__name__)


class Leases:
    """Renews the leases of all generations together, from a thread of its own."""

    def __init__(
        self,
        work: Work,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._work = work
        self._clock = clock
        self._pause = pause
        self._held: dict[str, Stop] = {}
        self._lock = threading.Lock()
        self._any = threading.Event()
        self._renewed = 0.0
        self._thread: threading.Thread | None = None
        self.draining = False
        """Whether this worker begins nothing new."""
        self._drained_at = 0.0

    @contextmanager
    def held(self, id: str) -> Iterator[Stop]:
        """Renews the lease of a claimed generation while the block runs."""
        stop = Stop()
        with self._lock:
            self._held[id] = stop
            self._start()
        self._any.set()
        try:
            yield stop
        finally:
            with self._lock:
                del self._held[id]

    def drain(self) -> None:
        """Lets nothing new begin, and interrupts what still runs a little later.

        Takes no lock: it is called where a signal arrives.
        """
        self._drained_at = self._clock() + DRAIN_S
        self.draining = True

    def look(self) -> None:
        """Asks once what must stop, and renews all leases if it is time; raises Overloaded."""
        with self._lock:
            held = dict(self._held)
        if self.draining and self._clock() >= self._drained_at:
            for stop in held.values():
                stop.say(SHUTDOWN)
        if self._clock() - self._renewed >= RENEW_S:
            told = self._work.renew(list(held))
            self._renewed = self._clock()
        else:
            told = self._work.stopped(list(held))
        for id, ours in told.items():
            held[id].say(CANCELLED if ours else None)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            self._any.wait()
            try:
                self.look()
            except Overloaded as error:
                logger.warning("Leases are not renewed: %s", error)
            except Exception:  # Without this thread, every generation would count as dead.
                logger.exception("Looking after the leases failed")
            with self._lock:
                if not self._held:
                    self._any.clear()
            self._pause(LOOK_S)
