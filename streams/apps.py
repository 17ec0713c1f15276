"""Tells Django about this package, and builds what workers announce and remember with."""

import time
from functools import cache, partial
from typing import cast

from django.apps import AppConfig
from django.conf import settings

from generation.memory_redis import SaidIn
from inference import connection_redis
from inference import metrics_prometheus as metrics
from policy.verdicts import Publisher
from streams.addresses import Networks
from streams.turnstile import Turnstile


class StreamsConfig(AppConfig):
    name = "streams"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connects what takes effect when it is saved."""
        from streams import signals  # noqa: F401


def publisher() -> Publisher:
    """The publisher over this installation's Redis, with each stream's own history."""
    from streams.directory_db import CachedDirectory
    from streams.publisher_redis import RedisPublisher

    directory = CachedDirectory(settings.RTAI_REDIS_URL)

    def retention(site: str, stream: str) -> tuple[int, int]:
        directory.refresh()
        found = directory.stream(site, stream)
        return (found.history_frames, found.history_s) if found else (2_000, 600)

    return RedisPublisher(connection_redis.client(settings.RTAI_REDIS_URL), retention)


@cache
def turnstile() -> Turnstile:
    """What this process's server asks before it takes a connection."""

    def refused(limit: str) -> None:
        metrics.ACCEPTS_REFUSED.labels(limit).inc()

    trusted = cast(Networks, settings.RTAI_TRUSTED_PROXIES)
    return Turnstile(trusted, time.monotonic, refused)


def said_in() -> SaidIn:
    """What was last said in a stream, from its history."""
    from streams import said_redis

    return partial(said_redis.said_in, connection_redis.client(settings.RTAI_REDIS_URL))
