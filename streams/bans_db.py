"""Bans as the database keeps them, mirrored to Redis."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import redis
from django.utils import timezone

from inference import config_redis
from streams import bans_redis
from streams.models import Ban, Site


def ban(site: str, kind: str, subject: str, duration: timedelta, reason: str = "") -> Ban:
    """Bans a user or an address from now on; an earlier ban of the same is replaced."""
    found, _ = Ban.objects.update_or_create(
        site_id=site,
        kind=kind,
        subject=subject,
        defaults={"until": timezone.now() + duration, "reason": reason},
    )
    return found


def load() -> Mapping[str, Mapping[str, int]]:
    """Ends of all bans that are not over, in ms, by site and by `kind:subject`."""
    found: dict[str, dict[str, int]] = {
        slug: {} for slug in Site.objects.values_list("pk", flat=True)
    }
    for each in Ban.objects.filter(until__gt=timezone.now()):
        found[each.site_id][f"{each.kind}:{each.subject}"] = milliseconds(each.until)
    return found


def sync(client: "redis.Redis") -> None:
    """Writes all bans to Redis, unless one changes meanwhile; raises redis.RedisError."""
    version = client.hget(config_redis.VERSIONS, bans_redis.AREA) or "0"
    for site, ends_ms in load().items():
        bans_redis.write_bans(client, site, ends_ms, str(version))


def milliseconds(moment: datetime) -> int:
    """Since the Unix epoch."""
    return int(moment.timestamp() * 1000)
