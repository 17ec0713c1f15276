"""Names of what Redis holds about messages on their way, and of limits and groups that several
packages use.

A message's hash has `body` (Message as JSON), `session`, `work` (see `inference.batching`) and,
once decided, `verdict` (JSON).
`PENDING` scores an undecided message's id by the time at which it counts as orphaned, which is its
deadline while it waits in line; `DEADLINES` by the time at which the fail mode decides it.
`WAITING` and `AGAIN` are lists of ids, the line: what is live, and what is to be judged once more.
`SHIFTS` are those that take from it, by the end of their leases, `IDLE` the ones that found
nothing, by the time at which they look again. Those wait for `BELL`, a list.
`OUTBOX` is a Redis Stream of verdicts that the database has yet to see.
`UNREADABLE` is a Redis Stream of those that it cannot take, for a person to look at.
`UNEXPLAINED` is a Redis Stream of flagged messages whose words nobody has named yet.
`LOAD` is a hash of how busy judging is: `pending`, the work that waits; `work` and `busy_ms`, what
workers did lately and how long it took them; `done_ms`, when one of them last ended a batch.
"""

from hashlib import blake2s

PENDING = "rtai:pending"
DEADLINES = "rtai:deadlines"
WAITING = "rtai:waiting"
AGAIN = "rtai:waiting:again"
SHIFTS = "rtai:shifts"
IDLE = "rtai:shifts:idle"
BELL = "rtai:bell"
LOAD = "rtai:load"
OUTBOX = "rtai:outbox"
OUTBOX_GROUP = "database"
UNREADABLE = "rtai:outbox:unreadable"
UNEXPLAINED = "rtai:unexplained"
UNEXPLAINED_GROUP = "explainers"
GATEWAYS = "rtai:gateways"
"""Sorted set of live gateways, scored by the end of their lease."""

LIMITS = "rtai:limits"
"""Hash of rate limits: name to `count:period_ms:burst`, or to `count` for a cap. The field `#` is
always there and has the version that was written."""


def message(id: str) -> str:
    """Hash of one message."""
    return f"rtai:message:{id}"


def bucket(limit: str, subject: str) -> str:
    """Theoretical arrival time of a rate limit's next message in ms; of a limit on what is counted
    afterwards, its level and when that was so, in ms."""
    return f"rtai:bucket:{limit}:{subject}"


def stream_group(site: str, stream: str) -> str:
    """Group of a stream's frames; every gateway with a subscriber joins it once."""
    return f"stream.{blake2s(f'{site}/{stream}'.encode()).hexdigest()[:40]}"
