"""What the dashboard reads from the database."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from console import status_db
from policy.messages import new_id
from policy.models import VerdictRecord
from streams.models import Site

pytestmark = [pytest.mark.django_db, pytest.mark.database]

NOW = datetime(2026, 11, 21, 12, 30, 15, tzinfo=UTC)


def a_verdict(action: str, at: datetime) -> None:
    VerdictRecord.objects.create(
        id=new_id(int(at.timestamp() * 1000)),
        site="demo",
        stream="lobby",
        author_id="ann",
        text="hello",
        accepted_at=at,
        decided_at=at,
        action=action,
    )


def test_the_last_hour_is_counted_by_action_and_minute() -> None:
    a_verdict("allow", NOW)
    a_verdict("allow", NOW - timedelta(seconds=10))
    a_verdict("block", NOW - timedelta(minutes=2))
    a_verdict("hold", NOW - timedelta(minutes=59))
    a_verdict("allow", NOW - timedelta(minutes=61))

    found = status_db.recent(NOW).by_minute

    assert [sum(found[action]) for action in ("allow", "flag", "hold", "block")] == [2, 0, 1, 1]
    assert (found["allow"][59], found["block"][57], found["hold"][0]) == (2, 1, 1)
    assert {len(row) for row in found.values()} == {60}


def test_the_database_counts_without_calling_python() -> None:
    with CaptureQueriesContext(connection) as asked:
        status_db.recent(NOW)
    [query] = [each["sql"] for each in asked.captured_queries]

    assert "django_" not in query


def test_only_active_sites_count() -> None:
    Site.objects.create(slug="on", name="On", public_key="pk_on")
    Site.objects.create(slug="off", name="Off", public_key="pk_off", active=False)

    assert status_db.sites() == ["on"]
