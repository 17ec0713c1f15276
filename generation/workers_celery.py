"""What a worker of the queue `generation` holds: models, what judges, and its leases.

All of it is one for each process.
"""

import functools
from collections.abc import Collection, Sequence
from typing import Any

import redis
from celery import signals
from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string

from generation.answer import Ports
from generation.asking import Composer
from generation.assistants import Backend, ModelSettings
from generation.assistants_db import assistants
from generation.generations import Generation
from generation.generations_redis import RedisGenerations
from generation.joined_scoring import JoinedScorer
from generation.judge import Judge
from generation.leases import Leases
from generation.memory_redis import RedisMemory, SaidIn
from generation.metrics_prometheus import Metrics
from generation.running import Runner
from generation.taking import Taker
from generation.upstream_httpx import Upstream
from generation.work_redis import RedisWork
from inference import connection_redis, generators_celery, workers_celery
from inference import metrics_prometheus as metrics
from inference.errors import ModelUnavailable, Overloaded
from inference.generator import Generator
from inference.loading import NO_VERSION
from inference.types import Scores
from inference.workers_redis import GENERATORS, Description, Heartbeat, LoadedModel
from policy import tasks
from policy.messages import Verdict, new_id
from policy.policies_db import policies
from policy.sinks import hand_over

QUEUE = generators_celery.QUEUE
MAX_UPSTREAMS = 64


@functools.cache
def runner() -> Runner:
    """What this process writes answers with."""
    ports = Ports(
        work=_work(),
        judge=Judge(JoinedScorer(_Watched()), policies, tasks.now_ms),
        generator=generator,
        speak=speak,
        note=note,
        watcher=Metrics(),
        now_ms=tasks.now_ms,
    )
    return Runner(ports, leases())


@functools.cache
def taker() -> Taker:
    """What takes generations in this process, as many at once as its worker has threads."""
    return Taker(workers_celery.worker_id(), _work(), _write, lambda: leases().draining)


@functools.cache
def composer() -> Composer:
    """What assistants are asked with."""
    said_in: SaidIn = import_string(settings.RTAI_SAID_IN)()
    memory = RedisMemory(connection_redis.client(settings.RTAI_REDIS_URL), said_in)
    return Composer(assistants, memory, tasks.now_ms, new_id)


@functools.cache
def generations() -> RedisGenerations:
    """Where generations are admitted."""
    return RedisGenerations(settings.RTAI_REDIS_URL)


@functools.cache
def leases() -> Leases:
    """The leases of this process's generations."""
    return Leases(_work())


@functools.cache
def heartbeat() -> Heartbeat:
    """This worker's heartbeat among those that generate."""
    return Heartbeat(
        settings.RTAI_REDIS_URL, workers_celery.worker_id(), _describe, group=GENERATORS
    )


def reset() -> None:
    """Forgets everything this process holds; for tests."""
    for cached in (runner, taker, composer, generations, leases, heartbeat, _work, _upstream):
        cached.cache_clear()


def generator(name: str) -> Generator:
    """What runs a model, by its public name; raises ModelUnavailable."""
    if (found := assistants().model(name)) is None:
        raise ModelUnavailable(f"The model {name!r} is switched off.")
    return generators_celery.local() if found.backend is Backend.LOCAL else _upstream(found)


def speak(verdict: Verdict, shown: bool) -> bool:
    """Publishes an assistant's message, and tells the other sinks; raises Overloaded."""
    try:
        first = tasks.publisher().speak(verdict, shown=shown)
    except (redis.RedisError, OSError) as error:
        raise Overloaded("Messages cannot be published now.") from error
    if first:
        hand_over([verdict], tasks.sinks(), _count_failure)
    return first


def note(verdict: Verdict) -> None:
    """Writes down what was stopped and is no message; raises Overloaded."""
    try:
        tasks.publisher().note(verdict)
    except (redis.RedisError, OSError) as error:
        raise Overloaded("Verdicts cannot be written down now.") from error


@functools.cache
def _work() -> RedisWork:
    return RedisWork(connection_redis.client(settings.RTAI_REDIS_URL))


def _write(generation: Generation) -> None:
    try:
        runner().write(generation)
    finally:
        connections.close_all()  # Each of the many threads has its own.


@functools.lru_cache(maxsize=MAX_UPSTREAMS)
def _upstream(found: ModelSettings) -> Generator:
    return Upstream(found)


class _Watched:
    """Judges one batch at a time, seen to be busy: who hangs there is killed like a judging worker,
    for every answer of the process would wait for it."""

    def score(self, texts: Sequence[str], plugins: Collection[str] | None = None) -> list[Scores]:
        with heartbeat().busy():
            return workers_celery.scorer().score(texts, plugins)


def _count_failure(sink: str) -> None:
    metrics.SINK_FAILURES.labels(sink=sink).inc()


def _describe() -> Description:
    found = workers_celery.describe()
    models, errors = dict(found.models), dict(found.errors)
    try:
        loaded = generators_celery.local()
    except ModelUnavailable as error:
        # Without a version of its own, an installation asks other servers only.
        if NO_VERSION not in error.detail:
            errors[generators_celery.NAME] = error.detail
    else:
        models[generators_celery.NAME] = LoadedModel(loaded.version, loaded.engine.provider)
    return Description(found.pid, found.host, models, errors)


def _begin(sender: Any = None, **_: Any) -> None:
    if workers_celery.serves(sender, QUEUE):
        workers_celery.keep_loaded()
        heartbeat().start()


def _ready(sender: Any = None, **_: Any) -> None:
    if workers_celery.serves(sender, QUEUE):
        taker().open(sender.controller.concurrency)
        taker().start()


def _drain(**_: Any) -> None:
    leases().drain()


def _end(sender: Any = None, **_: Any) -> None:
    if workers_celery.serves(sender, QUEUE):
        if not leases().draining:
            leases().drain()
        taker().stop()
        heartbeat().stop()


signals.worker_init.connect(_begin)
signals.worker_ready.connect(_ready)
signals.worker_shutting_down.connect(_drain)
signals.worker_shutdown.connect(_end)
