"""Messages that still have to be decided."""

import json

import pytest
import redis

from policy import keys
from policy.messages import Message
from policy.messages_redis import MessageStore
from tests.builders import a_message


@pytest.fixture
def store(valkey: redis.Redis) -> MessageStore:
    return MessageStore(valkey)


def stored(valkey: redis.Redis, *, due_ms: int = 1, deadline_ms: int = 1) -> Message:
    message = a_message()
    valkey.hset(keys.message(message.id), "body", json.dumps(message.as_json()))
    valkey.zadd(keys.PENDING, {message.id: due_ms})
    valkey.zadd(keys.DEADLINES, {message.id: deadline_ms})
    return message


def server_ms(valkey: redis.Redis) -> int:
    seconds, microseconds = valkey.time()
    return int(seconds) * 1000 + int(microseconds) // 1000


def test_a_message_comes_back_as_it_was_stored(store: MessageStore, valkey: redis.Redis) -> None:
    message = stored(valkey)

    assert store.undecided([message.id, "unknown"]) == [message]


def test_a_decided_message_is_left_out(store: MessageStore, valkey: redis.Redis) -> None:
    message = stored(valkey)
    valkey.hset(keys.message(message.id), "verdict", "{}")

    assert store.undecided([message.id]) == []


def test_a_message_is_late_after_its_deadline(store: MessageStore, valkey: redis.Redis) -> None:
    late = stored(valkey)
    stored(valkey, deadline_ms=server_ms(valkey) + 60_000)

    assert store.late() == [late]


def test_an_id_without_a_message_is_watched_no_longer(
    store: MessageStore, valkey: redis.Redis
) -> None:
    valkey.zadd(keys.PENDING, {"gone": 1})
    valkey.zadd(keys.DEADLINES, {"gone": 1})

    assert store.late() == []
    assert valkey.zcard(keys.PENDING) == 0
    assert valkey.zcard(keys.DEADLINES) == 0
