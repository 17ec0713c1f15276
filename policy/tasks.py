"""The worker's edge: decode, judge, announce."""

import functools
import time

from celery import shared_task
from django.conf import settings
from django.utils.module_loading import import_string

from inference import connection_redis, workers_celery
from inference import metrics_prometheus as metrics
from policy import judging
from policy.messages_redis import MessageStore
from policy.metrics_prometheus import count
from policy.policies_db import policies
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
def store() -> MessageStore:
    """The stored messages of this installation's Redis."""
    return MessageStore(connection_redis.client(settings.RTAI_REDIS_URL))


@shared_task(name="policy.judge")
def judge(gateway: str, batch: str, ids: list[str]) -> None:
    """Decides those of the messages that nobody decided yet.

    May run twice for a message: the publisher decides it once.
    What fails here leaves the messages undecided, and the sweeper sends them again.
    """
    with workers_celery.heartbeat().busy():
        if messages := store().undecided(ids):
            scorer = workers_celery.scorer()
            verdicts = judging.judge(messages, scorer, policies(), now_ms)
            with metrics.PUBLISH_SECONDS.time():
                decided = publisher().publish(verdicts)
            count(verdicts, decided)
        publisher().batch_done(gateway, batch)


@shared_task(name="policy.probe")
def probe(gateway: str, probe: str) -> None:
    """Scores a harmless text and answers, to prove the whole way round."""
    with workers_celery.heartbeat().busy():
        (scores,) = workers_celery.scorer().score([PROBE_TEXT])
        missing = sorted({rule.plugin for rule in policies().default.rules} - set(scores.by_plugin))
        reasons = [f"{name}: {scores.failures.get(name, 'not loaded')}" for name in missing]
        publisher().probe_done(gateway, probe, ok=not missing, detail="; ".join(reasons))
