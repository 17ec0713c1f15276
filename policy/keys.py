"""Names of what Redis holds about messages on their way.

A message's hash has `body` (Message as JSON), `session`, `work` (see `inference.batching`) and,
once decided, `verdict` (JSON).
`PENDING` scores a message's id by the time at which it counts as orphaned,
`DEADLINES` by the time at which the fail mode decides it.
`OUTBOX` is a Redis Stream of verdicts that the database has yet to see.
`LOAD` is a hash of how busy judging is: `pending`, the work that waits; `work` and `busy_ms`, what
workers did lately and how long it took them; `done_ms`, when one of them last ended a batch.
"""

PENDING = "rtai:pending"
DEADLINES = "rtai:deadlines"
LOAD = "rtai:load"
OUTBOX = "rtai:outbox"
OUTBOX_GROUP = "database"
GATEWAYS = "rtai:gateways"
"""Sorted set of live gateways, scored by the end of their lease."""


def message(id: str) -> str:
    """Hash of one message."""
    return f"rtai:message:{id}"
