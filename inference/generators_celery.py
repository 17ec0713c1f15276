"""What a generation worker holds: the generator `llm`, kept at its active version.

Call `local()` anew for each answer. In a worker of the queue `generation` a thread keeps the
version fresh; elsewhere the first call loads it.
"""

import functools
from typing import Any

from celery import signals
from django.conf import settings
from django.db import close_old_connections

from inference import versions_db
from inference.config_redis import Cached
from inference.engine import ModelGenerator
from inference.generators import LoadedGenerators
from inference.keeping import Keeper
from inference.loading_onnx import loaded_generators
from inference.versions import ActiveVersion
from inference.workers_celery import Notes, load_first, serves

QUEUE = "generation"
NAME = "llm"


def local() -> ModelGenerator:
    """The generator on the active version; raises ModelUnavailable with the reason.

    The first call outside a worker loads it, and raises django.db.DatabaseError without a
    database.
    """
    if not _keeper().running:
        _sync()
    return _generators().current()


def reset() -> None:
    """Forgets everything this process holds; for tests."""
    for cached in (_generators, _active, _keeper):
        cached.cache_clear()


def _begin(sender: Any = None, **_: Any) -> None:
    if serves(sender, QUEUE):
        load_first(_sync)
        _keeper().start()


def _end(**_: Any) -> None:
    _keeper().stop()


signals.worker_init.connect(_begin)
signals.worker_shutdown.connect(_end)


@functools.cache
def _generators() -> LoadedGenerators:
    return loaded_generators(
        settings.RTAI_PLUGINS,
        NAME,
        memory_mb=settings.RTAI_GENERATION_MEMORY_MB,
        observer=Notes(),
    )


@functools.cache
def _active() -> Cached[dict[str, ActiveVersion]]:
    return Cached(settings.RTAI_REDIS_URL, versions_db.AREA, versions_db.active_versions)


@functools.cache
def _keeper() -> Keeper:
    return Keeper("generator", _keep)


def _keep() -> None:
    close_old_connections()  # This thread has its own, and no request that ends.
    _sync()


def _sync() -> None:
    _generators().sync(_active().refresh())
