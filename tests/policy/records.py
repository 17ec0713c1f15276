"""Rows with defaults."""

import itertools
from datetime import UTC, datetime

from policy.models import VerdictRecord

_numbers = itertools.count()


def a_held_record(text: str = "Hm.", stream: str = "lobby", id: str = "") -> VerdictRecord:
    """A message of the demo site that waits for a moderator; no stream: a private question."""
    now = datetime.now(UTC)
    return VerdictRecord.objects.create(
        id=id or f"{next(_numbers):032x}",
        site="demo",
        stream=stream,
        author_id="user-1",
        text=text,
        ref="r1",
        accepted_at=now,
        decided_at=now,
        action="hold",
    )
