"""Every accepted message is decided, whatever dies on the way."""

import json

import pytest
import redis

from inference.workers_redis import WORKERS
from policy import keys
from policy.line_redis import RedisLine
from policy.messages import Message
from policy.messages_redis import MessageStore
from policy.policy import Action, Policy
from policy.sweeper_redis import Sweeper
from streams.publisher_redis import RedisPublisher
from tests.builders import NOW_MS, a_message


class OnePolicy:
    def __init__(self, fail_mode: Action) -> None:
        self._policy = Policy("default", 1, (), fail_mode)

    def for_stream(self, site: str, stream: str) -> Policy:
        return self._policy


def a_sweeper(valkey: redis.Redis, fail_mode: Action = Action.HOLD) -> Sweeper:
    publisher = RedisPublisher(valkey, lambda site, stream: (100, 600))
    return Sweeper(
        MessageStore(valkey),
        RedisLine(valkey),
        publisher,
        lambda: OnePolicy(fail_mode),
        lambda: NOW_MS + 10_001,
    )


def stored(valkey: redis.Redis, *, due_ms: int, deadline_ms: int) -> Message:
    message = a_message()
    valkey.hset(keys.message(message.id), "body", json.dumps(message.as_json()))
    valkey.zadd(keys.PENDING, {message.id: due_ms})
    valkey.zadd(keys.DEADLINES, {message.id: deadline_ms})
    return message


FAR_MS = 9_000_000_000_000


@pytest.mark.parametrize("fail_mode", [Action.HOLD, Action.BLOCK])
def test_a_late_message_is_decided_by_the_fail_mode(valkey: redis.Redis, fail_mode: Action) -> None:
    message = stored(valkey, due_ms=FAR_MS, deadline_ms=1)

    swept = a_sweeper(valkey, fail_mode).sweep()

    assert swept.late == 1
    verdict = json.loads(str(valkey.hget(keys.message(message.id), "verdict")))
    assert verdict["action"] == fail_mode
    assert verdict["reasons"] == [{"rule": "undecided"}]


def test_an_orphan_is_put_in_line_and_a_worker_called(valkey: redis.Redis) -> None:
    valkey.zadd(WORKERS, {"w1": FAR_MS})
    message = stored(valkey, due_ms=1, deadline_ms=FAR_MS)

    swept = a_sweeper(valkey).sweep()

    assert (swept.orphans, swept.late) == (1, 0)
    assert swept.shift
    assert valkey.lrange(keys.AGAIN, 0, -1) == [message.id]


def test_a_message_that_is_late_and_orphaned_is_only_decided(valkey: redis.Redis) -> None:
    stored(valkey, due_ms=1, deadline_ms=1)

    swept = a_sweeper(valkey).sweep()

    assert (swept.orphans, swept.late, swept.shift) == (0, 1, "")


def test_two_sweepers_decide_a_late_message_once(valkey: redis.Redis) -> None:
    stored(valkey, due_ms=FAR_MS, deadline_ms=1)

    counts = [a_sweeper(valkey).sweep().late for _ in range(2)]

    assert counts == [1, 0]
