"""The worker's edge: decode, judge, announce."""

import functools
import time

from celery import shared_task
from django.conf import settings
from django.db import close_old_connections
from django.utils.module_loading import import_string

from inference import connection_redis, workers_celery
from inference import metrics_prometheus as metrics
from inference.batching import work
from policy import judging
from policy.announcing import Announcer
from policy.load_redis import JudgingLoad
from policy.messages import Message, Verdict
from policy.messages_redis import MessageStore
from policy.metrics_prometheus import count
from policy.policies_db import policies
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
def load() -> JudgingLoad:
    """How busy judging is, in this installation's Redis."""
    return JudgingLoad(connection_redis.client(settings.RTAI_REDIS_URL))


@functools.cache
def announcer() -> Announcer:
    """What tells the verdicts of this process's batches."""
    return Announcer()


@shared_task(name="policy.judge")
def judge(gateway: str, batch: str, ids: list[str]) -> None:
    """Decides those of the messages that nobody decided yet.

    May run twice for a message: the publisher decides it once.
    What fails here leaves the messages undecided, and the sweeper sends them again.
    """
    started = time.perf_counter()
    with workers_celery.heartbeat().busy():
        messages = _in_time(store().undecided(ids))
        verdicts = judging.judge(messages, workers_celery.scorer(), policies(), now_ms)
        announcer().run(lambda: _announce(gateway, batch, verdicts))
    if messages:
        # Telling counts as far as scoring had to wait for it.
        took = time.perf_counter() - started
        load().report(sum(work(message.text) for message in messages), took)


def _announce(gateway: str, batch: str, verdicts: list[Verdict]) -> None:
    """Tells everybody whom a batch's verdicts concern."""
    decided: list[bool] = []
    if verdicts:
        with metrics.PUBLISH_SECONDS.time():
            decided = publisher().publish(verdicts)
        metrics.BATCH_SIZE.observe(len(verdicts))
        count(verdicts, decided)
    publisher().batch_done(gateway, batch)
    new = [verdict for verdict, first in zip(verdicts, decided, strict=True) if first]
    hand_over(new, sinks(), lambda name: metrics.SINK_FAILURES.labels(sink=name).inc())
    close_old_connections()  # A sink may have asked the database in this thread.


def _in_time(messages: list[Message]) -> list[Message]:
    """Those whose deadline is still to come; the sweeper decides the others."""
    now = now_ms()
    found = [message for message in messages if message.deadline_ms > now]
    metrics.DROPS.labels(reason="expired").inc(len(messages) - len(found))
    return found


@shared_task(name="policy.probe")
def probe(gateway: str, probe: str) -> None:
    """Scores a harmless text and answers, to prove the whole way round."""
    with workers_celery.heartbeat().busy():
        (scores,) = workers_celery.scorer().score([PROBE_TEXT])
        missing = sorted({rule.plugin for rule in policies().default.rules} - set(scores.by_plugin))
        reasons = [f"{name}: {scores.failures.get(name, 'not loaded')}" for name in missing]
        publisher().probe_done(gateway, probe, ok=not missing, detail="; ".join(reasons))
