"""Reads for the dashboard what Redis holds: sessions, undecided messages, workers."""

from collections.abc import Sequence

import redis

from console.status import Live, Loaded, Worker
from inference.workers_redis import WorkerStatus, all_workers
from policy import keys as message_keys
from streams import keys as stream_keys


def read(client: "redis.Redis", sites: Sequence[str] | None) -> Live:
    """One look; raises redis.RedisError. None: no site is known, so no session is counted."""
    seconds, micros = client.time()
    now = seconds * 1000 + micros // 1000
    pipeline = client.pipeline(transaction=False)
    for site in sites or ():
        pipeline.zcount(stream_keys.sessions(site), now + 1, "+inf")
    pipeline.zcard(message_keys.PENDING)
    pipeline.zrange(message_keys.DEADLINES, 0, 0)
    *counts, pending, oldest = pipeline.execute()
    return Live(
        sessions=None if sites is None else dict(zip(sites, counts, strict=True)),
        pending=pending,
        oldest_pending_ms=max(0, now - _accepted_ms(oldest[0])) if oldest else 0,
        workers=tuple(_worker(each, now) for each in all_workers(client)),
    )


def _accepted_ms(id: str) -> int:
    """A message's id begins with the time of its acceptance, in 12 hex digits."""
    return int(id[:12], 16)


def _worker(found: WorkerStatus, now: int) -> Worker:
    models = found.description.models.items()
    return Worker(
        id=found.id,
        host=found.description.host,
        pid=found.description.pid,
        busy_ms=max(1, now - found.busy_since_ms) if found.busy_since_ms else 0,
        seen_ms_ago=max(0, now - found.seen_ms),
        models=tuple(Loaded(name, each.version, each.provider) for name, each in sorted(models)),
        errors=dict(found.description.errors),
    )
