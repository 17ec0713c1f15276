"""Calls workers to the line: a Celery task names the shift that one of them works."""

import logging
from concurrent.futures import ThreadPoolExecutor

import redis
from celery import Task
from kombu.exceptions import KombuError

AWAY = (OSError, KombuError, redis.RedisError)
"""What a broker that cannot be reached raises."""

logger = logging.getLogger(__name__)


def call(task: Task, shift: str) -> None:
    """Sends the task. Where the broker is away, the shift ends by its lease, and the sweep begins
    another."""
    try:
        task.apply_async((shift,), retry=False)
    except AWAY as error:
        logger.warning("No worker is called now, the broker is away: %s", error)


class Calls:
    """Calls workers from a thread, so that nobody waits for the broker; one for each gateway."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="calls")

    def __call__(self, shift: str) -> None:
        """Calls a worker to this shift, soon."""
        self._threads.submit(call, self._task, shift)

    def stop(self) -> None:
        """Calls nobody any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)
