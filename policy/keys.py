"""Names of what Redis holds about messages on their way, and about workers.

A message's hash has `body` (Message as JSON), `session` and, once decided, `verdict` (JSON).
`PENDING` scores a message's id by the time at which it counts as orphaned,
`DEADLINES` by the time at which the fail mode decides it.
`OUTBOX` is a Redis Stream of verdicts that the database has yet to see.
"""

PENDING = "rtai:pending"
DEADLINES = "rtai:deadlines"
OUTBOX = "rtai:outbox"
OUTBOX_GROUP = "database"
WORKERS = "rtai:workers"
GATEWAYS = "rtai:gateways"
"""Sorted sets of live workers and gateways, scored by the end of their lease."""


def message(id: str) -> str:
    """Hash of one message."""
    return f"rtai:message:{id}"


def worker(id: str) -> str:
    """Hash of one worker: busy_since_ms, seen_ms, models and providers as JSON."""
    return f"rtai:worker:{id}"
