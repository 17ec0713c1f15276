"""Tells Django about this package, and builds the publisher that workers announce with."""

from django.apps import AppConfig
from django.conf import settings

from inference import connection_redis
from policy.verdicts import Publisher


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
