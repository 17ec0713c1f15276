"""A thread that reads the workers' heartbeats from Redis: it finds those that must be killed, and
announces those that begin."""

import logging
import socket
import threading
import time

import redis

from generation import work_redis
from inference import workers_redis
from rtai_project.beginners import Beginners
from rtai_project.watchdog import Beat, Watchdog

EVERY_S = 1.0
logger = logging.getLogger(__name__)


class Watch(threading.Thread):
    """Judges the processes in `pids`; `take` hands out those that are stuck, with the reason.

    While one of those in `awaited` begins, what waits for an answer is told to be patient.
    """

    def __init__(self, client: "redis.Redis", stopping: threading.Event) -> None:
        super().__init__(name="watch", daemon=True)
        self.pids: set[int] = set()
        self.awaited: set[int] = set()
        self._client = client
        self._stopping = stopping
        self._watchdog = Watchdog()
        self._beginners = Beginners()
        self._stuck: dict[int, str] = {}
        self._lock = threading.Lock()

    def run(self) -> None:
        """Looks every second until the process stops."""
        while not self._stopping.wait(EVERY_S):
            self.look()

    def look(self) -> None:
        """Reads the heartbeats once; while Redis is away, nobody is judged."""
        try:
            beats = read_own(self._client)
            if self._beginners.observe(beats, self.awaited, time.monotonic()):
                work_redis.announce(self._client)
        except (redis.RedisError, OSError) as error:
            logger.debug("Heartbeats cannot be read: %s", error)
            self._watchdog.forget()
            return
        stuck = self._watchdog.observe(beats, self.pids, time.monotonic())
        with self._lock:
            self._stuck = stuck

    def take(self) -> dict[int, str]:
        """The stuck processes that were found since the last call."""
        with self._lock:
            stuck, self._stuck = self._stuck, {}
        return stuck


def read_own(client: "redis.Redis") -> dict[int, Beat]:
    """The last heartbeats of this machine's workers by process id; raises redis.RedisError."""
    host = socket.gethostname()
    return {
        worker.description.pid: Beat(worker.seen_ms, worker.busy_s)
        for worker in workers_redis.all_workers(client)
        if worker.description.host == host
    }
