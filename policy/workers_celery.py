"""What a worker does beside judging: it tells verdicts and writes them to the database, and names
the words that drove them."""

import functools
import os
import sys
import threading
from collections.abc import Collection
from typing import Any

from celery.signals import worker_init, worker_ready, worker_shutdown, worker_shutting_down
from django.conf import settings

from inference import connection_redis, workers_celery
from inference.attribution import Score
from policy import tasks
from policy.records_db import RecordWriter
from policy.whys_db import Explainer
from policy.whys_redis import Questions

NICE = 10
"""How much less of a busy core naming words gets than judging does."""

SWITCH_S = 0.001
"""After so long a thread that runs Python lets another have it, which by default takes 5 ms."""

STOP_S = 2.0
"""How long an ending worker waits for the model call that names words."""

_stop = threading.Event()


@worker_ready.connect
def start_writing(sender: Any = None, **_: Any) -> None:
    """Starts the writer's thread; where the main thread judges, it leaves the work to others."""
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    judges = workers_celery.serves(sender, workers_celery.QUEUE)
    writer = RecordWriter(client, workers_celery.worker_id(), patient=judges)
    threading.Thread(target=writer.run, args=(_stop,), name="records", daemon=True).start()


@worker_init.connect
def start_announcing(sender: Any = None, **_: Any) -> None:
    """Lets a worker that judges tell its verdicts while it scores the next batch."""
    if workers_celery.serves(sender, workers_celery.QUEUE):
        # A model that has ended waits for Python at most so long.
        sys.setswitchinterval(SWITCH_S)
        tasks.announcer().start()


@worker_ready.connect
def start_explaining(sender: Any = None, **_: Any) -> None:
    """Starts the thread that names words, where the worker judges and so has models."""
    if workers_celery.serves(sender, workers_celery.QUEUE):
        _explaining().start()


@worker_shutting_down.connect
def stop_taking(**_: Any) -> None:
    """Ends the shift after the batch under way."""
    tasks.worker().close()


@worker_shutdown.connect
def stop_writing(**_: Any) -> None:
    """Lets all threads finish what they are on."""
    tasks.announcer().stop()
    _stop.set()
    if _explaining().is_alive():
        # A runtime must not be at work in a thread while the process ends.
        _explaining().join(STOP_S)


@functools.cache
def _explaining() -> threading.Thread:
    return threading.Thread(target=_explain, name="whys", daemon=True)


def _explain() -> None:
    if sys.platform == "linux":
        # There a thread has a priority of its own; the runtime works in the thread that asks.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    questions = Questions(client, workers_celery.worker_id())
    Explainer(questions, _score_with, workers_celery.heartbeat().wait_idle).run(_stop)


def _score_with(plugins: Collection[str]) -> Score:
    return workers_celery.scorer().only(plugins).score
