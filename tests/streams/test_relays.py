"""What waits for a subscriber that still catches up."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams import relays
from streams.closes import Close
from streams.relays import Reader, Subscription


def test_one_that_does_not_catch_up_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relays, "MAX_HELD", 2)
    told: list[Close] = []
    reader = SimpleNamespace(outbox=None, is_moderator=False, end=told.append)
    subscription, frame = Subscription(cast(Reader, reader)), cast(Any, object())
    subscription.hold(frame)
    subscription.hold(frame)
    assert not told

    subscription.hold(frame)
    assert [each.code for each in told] == [4008]
    assert json.loads(told[0].reason)["retry_after_ms"] == 1_000
