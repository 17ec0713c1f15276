"""What a Celery worker holds: its plugins, kept at the active versions, and its heartbeat.

`scorer` and `heartbeat` are one for each process. A program without a worker, such as `doctor`,
may call `scorer` too.
"""

import functools
import logging
import os
import socket
from collections.abc import Callable
from typing import Any

from celery import signals
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from inference import metrics_prometheus as metrics
from inference import versions_db
from inference.config_redis import Cached
from inference.keeping import Keeper
from inference.loading import LoadedPlugins
from inference.loading_onnx import loaded_plugins
from inference.scoring import Lineup, Scorer
from inference.versions import ActiveVersion
from inference.workers_redis import Description, Heartbeat, LoadedModel

QUEUE = "judge"

logger = logging.getLogger(__name__)


@functools.cache
def scorer() -> Scorer:
    """Scores with the active versions, about a second after they changed.

    The first call loads them; it raises django.db.DatabaseError without a database.
    """
    return Scorer(_fresh_lineup, watcher=_Metrics())


@functools.cache
def heartbeat() -> Heartbeat:
    """This worker's heartbeat; it beats once the worker started it."""
    return Heartbeat(settings.RTAI_REDIS_URL, worker_id(), describe)


def worker_id() -> str:
    """The worker's name: the one its supervisor gave it, and the host's and port of the server
    beside it, for several may have one Redis."""
    process = os.environ.get(metrics.PROCESS) or f"pid-{os.getpid()}"
    return f"{process}@{socket.gethostname()}:{settings.RTAI_PORT}"


def reset() -> None:
    """Forgets everything this process holds; for tests."""
    for cached in (scorer, heartbeat, _plugins, _active, _keeper):
        cached.cache_clear()


def serves(worker: Any, queue: str) -> bool:
    """Whether a starting Celery worker takes tasks of this queue."""
    return queue in worker.app.amqp.queues.consume_from


def keep_loaded() -> None:
    """Loads the active versions, and keeps them fresh until the worker shuts down."""
    load_first(_sync)
    _keeper().start()


def load_first(sync: Callable[[], object]) -> None:
    """Loads what a worker starts with; one that cannot ends, for Celery would let it go on without
    models and unseen. Its supervisor starts it again."""
    try:
        sync()
    except DatabaseError as error:
        raise SystemExit(f"The worker does not know which models to load: {error}") from error


def _begin(sender: Any = None, **_: Any) -> None:
    if serves(sender, QUEUE):
        # Loaded before the first task is taken, so that no message waits for it.
        keep_loaded()
        heartbeat().start()


def _end(sender: Any = None, **_: Any) -> None:
    if _keeper().running:
        _keeper().stop()
    if serves(sender, QUEUE):
        heartbeat().stop()


signals.worker_init.connect(_begin)
signals.worker_shutdown.connect(_end)


@functools.cache
def _plugins() -> LoadedPlugins:
    return loaded_plugins(
        settings.RTAI_PLUGINS,
        provider=settings.RTAI_PROVIDER,
        observer=Notes(),
        observe_tokens=metrics.BATCH_TOKENS.observe,
    )


@functools.cache
def _active() -> Cached[dict[str, ActiveVersion]]:
    return Cached(
        settings.RTAI_REDIS_URL,
        versions_db.AREA,
        versions_db.active_versions,
    )


@functools.cache
def _keeper() -> Keeper:
    return Keeper("model versions", _keep)


def _keep() -> None:
    close_old_connections()  # This thread has its own, and no request that ends.
    _sync()


def _fresh_lineup() -> Lineup:
    # In a worker the keeper loads versions while batches run; elsewhere the batch waits.
    if not _keeper().running:
        _sync()
    return _plugins().lineup()


def _sync() -> None:
    _plugins().sync(_active().refresh())


def describe() -> Description:
    """What this process has loaded for judging, and why something is missing."""
    plugins = _plugins()
    models = {
        each.plugin.name: LoadedModel(each.version, each.provider)
        for each in plugins.lineup().loaded
    }
    return Description(os.getpid(), socket.gethostname(), models, plugins.errors)


class _Metrics:
    """Tells the metrics how scoring goes."""

    def scored(self, plugin: str, seconds: float) -> None:
        metrics.MODEL_SECONDS.labels(plugin=plugin).observe(seconds)

    def failed(self, plugin: str) -> None:
        metrics.PLUGIN_FAILURES.labels(plugin=plugin).inc()


class Notes:
    """Tells the metrics and the database what was loaded, and what was not."""

    def loaded(self, plugin: str, version: str, provider: str) -> None:
        metrics.MODEL_INFO.labels(plugin=plugin, version=version, provider=provider).set(1)

    def unloaded(self, plugin: str, version: str, provider: str) -> None:
        metrics.MODEL_INFO.labels(plugin=plugin, version=version, provider=provider).set(0)

    def failed(self, version: ActiveVersion, reason: str) -> None:
        _note(version, reason)

    def succeeded(self, version: ActiveVersion) -> None:
        _note(version, "")


def _note(version: ActiveVersion, reason: str) -> None:
    try:
        versions_db.note_error(version.ref, reason)
    except DatabaseError as error:
        logger.warning("The database does not learn how %s loads: %s", version.ref, error)
