"""A person's decision takes the place of the machine's."""

import pytest
import redis
from django.contrib.auth.models import User

from inference.errors import Unsupported
from policy.models import ReviewRecord, VerdictRecord
from policy.policy import Action
from policy.records_db import RecordWriter
from policy.reviews_db import review
from streams import keys
from streams.publisher_redis import RedisPublisher
from tests.policy.records import a_held_record

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def publisher(valkey: redis.Redis) -> RedisPublisher:
    return RedisPublisher(valkey, lambda site, stream: (100, 600))


@pytest.fixture
def held() -> VerdictRecord:
    return a_held_record()


@pytest.fixture
def moderator() -> User:
    return User.objects.create(username="mo")


def test_an_approved_message_is_published(
    publisher: RedisPublisher, valkey: redis.Redis, held: VerdictRecord, moderator: User
) -> None:
    review(held, Action.ALLOW, moderator, publisher, 1_800_000_000_000)

    assert valkey.zcard(keys.history("demo", "lobby")) == 1
    assert ReviewRecord.objects.get().action == "allow"


def test_an_assistants_answer_that_is_approved_is_still_the_assistants(
    publisher: RedisPublisher, valkey: redis.Redis, held: VerdictRecord, moderator: User
) -> None:
    held.author_kind = "assistant"

    review(held, Action.ALLOW, moderator, publisher, 1_800_000_000_000)

    (row,) = valkey.zrange(keys.history("demo", "lobby"), 0, -1)
    assert '"kind":"assistant"' in str(row)


@pytest.mark.parametrize("action", [Action.ALLOW, Action.BLOCK])
def test_what_was_said_in_private_is_never_published_by_a_review(
    publisher: RedisPublisher, valkey: redis.Redis, moderator: User, action: Action
) -> None:
    with pytest.raises(Unsupported, match="in private"):
        review(a_held_record(stream=""), action, moderator, publisher, 1_800_000_000_000)

    assert valkey.keys("*") == []
    assert not ReviewRecord.objects.exists()


def test_a_review_that_cannot_be_published_is_not_recorded(
    held: VerdictRecord, moderator: User
) -> None:
    away = RedisPublisher(redis.Redis(port=1), lambda site, stream: (100, 600))

    with pytest.raises(redis.ConnectionError):
        review(held, Action.ALLOW, moderator, away, 1_800_000_000_000)

    assert not ReviewRecord.objects.exists()


def test_a_review_counts_as_later_than_what_it_replaces_though_its_clock_is_behind(
    publisher: RedisPublisher, valkey: redis.Redis, held: VerdictRecord, moderator: User
) -> None:
    review(held, Action.ALLOW, moderator, publisher, 1_000)
    RecordWriter(valkey, "w").write_once(block_ms=10)

    row = VerdictRecord.objects.get()
    assert row.action == "allow"
    assert row.decided_at > held.decided_at
