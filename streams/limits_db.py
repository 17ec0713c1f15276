"""Rate limits as the admin saved them, written to Redis, where they take effect."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
from django.conf import settings
from django.db import DatabaseError

from inference import config_redis, connection_redis
from streams import bans_db, bans_redis, keys
from streams.limits import BadLimit, Rate, check, check_name, defaults
from streams.limits_redis import AREA, write_limits
from streams.models import RateLimit

FULL_SYNC_S = 30
"""How long Redis may differ from the database after a save that did not reach it."""
ATTEMPTS = 10
logger = logging.getLogger(__name__)


def ensure_defaults() -> None:
    """Stores the limits of a fresh installation; existing ones are left alone."""
    if RateLimit.objects.exists():
        return
    for name, rate in defaults():
        store(name, rate)


def store(name: str, rate: Rate) -> None:
    """Saves a limit and turns it on; it takes effect when the transaction is committed."""
    scope, _, resource = name.partition(".")
    RateLimit.objects.update_or_create(
        scope=scope, resource=resource, defaults={"rate": str(rate), "enabled": True}
    )


def turn_off(name: str) -> None:
    """Lifts a limit; its rate stays stored. Raises BadLimit for an unknown name."""
    check_name(name)
    scope, _, resource = name.partition(".")
    for row in RateLimit.objects.filter(scope=scope, resource=resource, enabled=True):
        row.enabled = False
        row.save()


def load() -> dict[str, Rate]:
    """The limits that are on; one that cannot be read is logged and left out."""
    found = {}
    for row in RateLimit.objects.filter(enabled=True):
        try:
            found[str(row)] = check(str(row), row.rate)
        except BadLimit as error:
            logger.error("Limit not applied: %s", error)
    return found


def apply(url: str) -> None:
    """Writes the stored limits to Redis, where every process reads them at the next frame.

    Returns when they are in force; raises redis.RedisError.
    """
    client = connection_redis.client(url)
    config_redis.bump(url, AREA)
    for _ in range(ATTEMPTS):
        version = client.hget(config_redis.VERSIONS, AREA) or "0"
        if write_limits(client, load(), str(version)):
            return


@dataclass(slots=True)
class Mirror:
    """Keeps limits and bans in Redis as the database has them; one for each process."""

    url: str
    clock: Callable[[], float] = time.monotonic
    _versions: list[object] | None = field(default=None, init=False)
    _written_at: float = field(default=float("-inf"), init=False)

    def ensure(self) -> None:
        """Writes them if Redis lost them, if they changed, or if it is time again.

        Raises redis.RedisError and django.db.DatabaseError.
        """
        client = connection_redis.client(self.url)
        versions = client.hmget(config_redis.VERSIONS, [AREA, bans_redis.AREA])
        lost = not client.exists(keys.LIMITS)
        late = self.clock() - self._written_at >= FULL_SYNC_S
        if lost or late or versions != self._versions:
            write_limits(client, load(), str(versions[0] or "0"))
            bans_db.sync(client)
            self._versions, self._written_at = list(versions), self.clock()


_mirrors: dict[str, Mirror] = {}


def ensure_synced(url: str = "") -> None:
    """For a gateway's start and then every few seconds, from a thread: it reads the database.

    Restores limits and bans that Redis has lost; what fails is logged and tried again next time.
    """
    url = url or str(settings.RTAI_REDIS_URL)
    try:
        _mirrors.setdefault(url, Mirror(url)).ensure()
    except (redis.RedisError, DatabaseError, OSError) as error:
        logger.warning("Limits and bans are not synced: %s", error)
