"""What is saved of sites, streams, limits and bans takes effect when it is committed."""

import logging
from collections.abc import Callable
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.utils import timezone

from inference import config_redis, connection_redis
from streams import bans_db, bans_redis, directory_db, limits_db
from streams.models import Ban, RateLimit, Site, Stream

logger = logging.getLogger(__name__)


def _after_commit(act: Callable[..., None], *arguments: Any) -> None:
    def run() -> None:
        try:
            act(*arguments)
        except (redis.RedisError, OSError) as error:
            # What is saved stays saved; the gateways' mirrors bring it to Redis later.
            logger.warning("Saved, but not yet in force: %s", error)

    transaction.on_commit(run)


@receiver([post_save, post_delete], sender=Site)
@receiver([post_save, post_delete], sender=Stream)
def directory_changed(**_: Any) -> None:
    """Every process reads sites and streams again."""
    _after_commit(config_redis.bump, settings.RTAI_REDIS_URL, directory_db.AREA)


@receiver([post_save, post_delete], sender=RateLimit)
def limit_changed(**_: Any) -> None:
    """Every process applies the new limits at the next frame."""
    _after_commit(limits_db.apply, settings.RTAI_REDIS_URL)


@receiver(post_save, sender=Ban)
def ban_saved(instance: Ban, **_: Any) -> None:
    """A ban that is not over closes what is open."""
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    subject = (instance.site_id, instance.kind, instance.subject)
    if instance.until > timezone.now():
        until_ms = bans_db.milliseconds(instance.until)
        _after_commit(bans_redis.ban, client, *subject, until_ms)
    else:
        _after_commit(bans_redis.unban, client, *subject)


@receiver(post_delete, sender=Ban)
def ban_lifted(instance: Ban, **_: Any) -> None:
    """The banned may connect again."""
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    _after_commit(bans_redis.unban, client, instance.site_id, instance.kind, instance.subject)
