"""Rows with defaults."""

from datetime import UTC, datetime

from policy.models import VerdictRecord


def a_held_record(text: str = "Hm.") -> VerdictRecord:
    """A message of the demo site's lobby that waits for a moderator."""
    now = datetime.now(UTC)
    return VerdictRecord.objects.create(
        id="0" * 32,
        site="demo",
        stream="lobby",
        author_id="user-1",
        text=text,
        ref="r1",
        accepted_at=now,
        decided_at=now,
        action="hold",
    )
