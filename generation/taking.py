"""A worker's taker: it takes all that waits, as far as there is room, into threads of its own."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from generation.generations import Generation
from generation.store import Work
from inference.errors import Overloaded

MOST = 8
"""So many at once: then other workers have their turn."""
ROOM_S = 1.0
"""A worker without room says so often that it is there."""
PAUSE_S = 0.5
"""How long a taker leaves Redis alone that is away."""

logger = logging.getLogger(__name__)


class Taker:
    """Writes answers, each in a thread; one for each process, with no room before it is opened.

    `name` is the worker's. `write` writes what was claimed. `draining` tells whether the worker
    begins nothing new; the taker ends then.
    """

    def __init__(
        self,
        name: str,
        work: Work,
        write: Callable[[Generation], None],
        draining: Callable[[], bool],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._name = name
        self._work = work
        self._write = write
        self._draining = draining
        self._pause = pause
        self._room = threading.Semaphore(0)
        self._threads = ThreadPoolExecutor(1)
        self._thread = threading.Thread(target=self._run, name="taker", daemon=True)

    def open(self, room: int) -> None:
        """Makes room for so many answers at the same time."""
        self._threads = ThreadPoolExecutor(room, thread_name_prefix="answer")
        self._room.release(room)

    def start(self) -> None:
        """Begins to take."""
        self._thread.start()

    def stop(self) -> None:
        """Returns when a taker that drains has ended, and all that it writes."""
        if self._thread.is_alive():
            self._thread.join()
        self._threads.shutdown()

    def run(self, id: str) -> None:
        """Writes this generation now and here, if it still waits and there is room for it."""
        if self._draining() or not self._room.acquire(blocking=False):
            return
        try:
            if (found := self._work.claim(id)) is not None:
                self._write(found)
        except Overloaded as error:
            logger.warning("No generation is taken now: %s", error)
        finally:
            self._room.release()

    def look(self) -> None:
        """Takes once what waits, or else waits until something may; raises Overloaded."""
        places, found = self._places(), []
        try:
            found = list(self._work.take(self._name, places))
        finally:
            for _ in range(places - len(found)):
                self._room.release()
        for generation in found:
            self._threads.submit(self._write_one, generation)
        if places and not found:
            self._work.wait()

    def _run(self) -> None:
        while not self._draining():
            try:
                self.look()
            except Overloaded as error:
                logger.warning("No generation is taken now: %s", error)
                self._pause(PAUSE_S)
            except Exception:  # Without this thread, the worker would take nothing any more.
                logger.exception("Taking what waits failed")
                self._pause(PAUSE_S)
        try:
            self._work.leave(self._name)
        except Overloaded as error:
            logger.warning("A taker is left to its lease: %s", error)

    def _places(self) -> int:
        """How many may be taken now; none where there is no room for a while."""
        if not self._room.acquire(timeout=ROOM_S):
            return 0
        places = 1
        while places < MOST and self._room.acquire(blocking=False):
            places += 1
        return places

    def _write_one(self, generation: Generation) -> None:
        try:
            self._write(generation)
        except Exception:  # Nobody else would learn of it; its lease ends the generation.
            logger.exception("A generation was left")
        finally:
            self._room.release()
