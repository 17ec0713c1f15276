"""Names of what Redis holds about messages on their way.

A message's hash has `body` (Message as JSON), `session` and, once decided, `verdict` (JSON).
`PENDING` scores a message's id by the time at which it counts as orphaned,
`DEADLINES` by the time at which the fail mode decides it.
`OUTBOX` is a Redis Stream of verdicts that the database has yet to see.
"""

PENDING = "rtai:pending"
DEADLINES = "rtai:deadlines"
OUTBOX = "rtai:outbox"
OUTBOX_GROUP = "database"
GATEWAYS = "rtai:gateways"
"""Sorted set of live gateways, scored by the end of their lease."""


def message(id: str) -> str:
    """Hash of one message."""
    return f"rtai:message:{id}"
