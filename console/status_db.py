"""Reads for the dashboard what the database holds: the last hour's verdicts, active models."""

from datetime import UTC, datetime, timedelta

from django.db.models import CharField, Count
from django.db.models.functions import Cast, Substr

from console.status import ACTIONS, Active, Recent
from inference.models import ModelVersionRecord
from policy.models import VerdictRecord
from streams.models import Site

MINUTES = 60
MINUTE = "2026-01-01 00:00"
"""How a time begins as a text, in either database: SQLite would call Python to cut it off."""


def sites() -> list[str]:
    """The slugs of active sites."""
    return list(Site.objects.filter(active=True).values_list("slug", flat=True))


def recent(now: datetime) -> Recent:
    """Verdicts of the last 60 minutes; ids sort by time, so the primary key finds them."""
    start = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    since_ms = int(start.timestamp() * 1000)
    counts = {action: [0] * MINUTES for action in ACTIONS}
    rows = (
        VerdictRecord.objects.filter(id__gte=f"{since_ms:012x}")
        .annotate(minute=Substr(Cast("accepted_at", CharField()), 1, len(MINUTE)))
        .order_by()
        .values_list("action", "minute")
        .annotate(count=Count("id"))
    )
    for action, minute, count in rows:
        when = datetime.fromisoformat(minute).replace(tzinfo=UTC)
        at = int((when - start).total_seconds()) // 60
        if action in counts and 0 <= at < MINUTES:
            counts[action][at] += count
    return Recent(since_ms, {action: tuple(row) for action, row in counts.items()})


def active() -> tuple[Active, ...]:
    """The model version that each plugin is told to use."""
    records = ModelVersionRecord.objects.filter(status=ModelVersionRecord.Status.ACTIVE)
    return tuple(Active(each.plugin, str(each), each.last_error) for each in records)
