"""The worker's edge: decode, judge, announce."""

import functools
import time
from collections.abc import Sequence

from celery import shared_task
from django.conf import settings
from django.db import close_old_connections
from django.utils.module_loading import import_string

from inference import connection_redis, workers_celery
from inference import metrics_prometheus as metrics
from policy import judging
from policy.announcing import Announcer
from policy.dispatch_celery import call
from policy.line_redis import RedisLine
from policy.messages import Message, Verdict
from policy.messages_redis import MessageStore
from policy.metrics_prometheus import count
from policy.policies_db import policies
from policy.shifts import Worker
from policy.sinks import Sink, hand_over
from policy.verdicts import Publisher

PROBE_TEXT = "Good morning, how are you?"


def now_ms() -> int:
    """Milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000


@functools.cache
def publisher() -> Publisher:
    """The first sink, as the settings name it."""
    made: Publisher = import_string(settings.RTAI_PUBLISHER)()
    return made


@functools.cache
def sinks() -> dict[str, Sink]:
    """The other sinks, as the settings name them, by that name."""
    return {path: import_string(path) for path in settings.RTAI_SINKS}


@functools.cache
def store() -> MessageStore:
    """The stored messages of this installation's Redis."""
    return MessageStore(connection_redis.client(settings.RTAI_REDIS_URL))


@functools.cache
def line() -> RedisLine:
    """The line of this installation's Redis."""
    return RedisLine(connection_redis.client(settings.RTAI_REDIS_URL))


@functools.cache
def worker() -> Worker:
    """What takes from the line in this process."""
    return Worker(line(), _judge, metrics.DROPS.labels(reason="expired").inc)


@functools.cache
def announcer() -> Announcer:
    """What tells the verdicts of this process's batches."""
    return Announcer()


@shared_task(name="policy.judge")
def judge(shift: str) -> None:
    """Judges what waits in line, batch by batch, for one shift."""
    if worker().work(shift):
        call(judge, shift)


def _judge(messages: Sequence[Message]) -> None:
    """Decides those of the messages that nobody decided yet.

    May run twice for a message: the publisher decides it once.
    What fails here leaves the messages undecided, and the sweeper puts them in line again.
    """
    with workers_celery.heartbeat().busy():
        verdicts = judging.judge(messages, workers_celery.scorer(), policies(), now_ms)
        announcer().run(lambda: _announce(verdicts))


def _announce(verdicts: list[Verdict]) -> None:
    """Tells everybody whom a batch's verdicts concern."""
    with metrics.PUBLISH_SECONDS.time():
        decided = publisher().publish(verdicts)
    metrics.BATCH_SIZE.observe(len(verdicts))
    count(verdicts, decided)
    new = [verdict for verdict, first in zip(verdicts, decided, strict=True) if first]
    hand_over(new, sinks(), lambda name: metrics.SINK_FAILURES.labels(sink=name).inc())
    close_old_connections()  # A sink may have asked the database in this thread.


@shared_task(name="policy.probe")
def probe(gateway: str, probe: str) -> None:
    """Scores a harmless text and answers, to prove the whole way round."""
    with workers_celery.heartbeat().busy():
        (scores,) = workers_celery.scorer().score([PROBE_TEXT])
        missing = sorted({rule.plugin for rule in policies().default.rules} - set(scores.by_plugin))
        reasons = [f"{name}: {scores.failures.get(name, 'not loaded')}" for name in missing]
        publisher().probe_done(gateway, probe, ok=not missing, detail="; ".join(reasons))
