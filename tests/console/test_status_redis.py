"""What the dashboard reads from Redis."""

import json

import redis

from console import status_redis
from inference.workers_redis import BEAT, WORKERS, worker
from policy import keys as message_keys
from policy.messages import new_id
from streams import keys


def now_ms(valkey: redis.Redis) -> int:
    seconds, micros = valkey.time()
    return int(seconds) * 1000 + int(micros) // 1000


def beat(valkey: redis.Redis, id: str, busy_ms: int = -1) -> None:
    models = {"moderation": {"version": "guard@1", "provider": "CPUExecutionProvider"}}
    arguments = (id, 5_000, busy_ms, 42, "host", json.dumps(models), json.dumps({"llm": "absent"}))
    valkey.eval(BEAT, 2, WORKERS, worker(id), *map(str, arguments))


def test_nothing_is_shown_of_an_empty_redis(valkey: redis.Redis) -> None:
    found = status_redis.read(valkey, ["demo"])

    assert found.sessions == {"demo": 0}
    assert (found.pending, found.oldest_pending_ms, found.workers) == (0, 0, ())


def test_sessions_are_counted_by_site_while_their_lease_lasts(valkey: redis.Redis) -> None:
    now = now_ms(valkey)
    valkey.zadd(keys.sessions("demo"), {"a": now + 9_000, "b": now + 9_000, "gone": now - 1})
    valkey.zadd(keys.sessions("other"), {"c": now + 9_000})

    assert status_redis.read(valkey, ["demo", "other"]).sessions == {"demo": 2, "other": 1}


def test_where_the_sites_are_not_known_the_rest_is_read(valkey: redis.Redis) -> None:
    found = status_redis.read(valkey, None)

    assert found.sessions is None
    assert (found.pending, found.workers) == (0, ())


def test_undecided_messages_are_counted_with_the_age_of_the_oldest(valkey: redis.Redis) -> None:
    now = now_ms(valkey)
    for age in (1_000, 4_000):
        id = new_id(now - age)
        valkey.zadd(message_keys.PENDING, {id: now + 3_000})
        valkey.zadd(message_keys.DEADLINES, {id: now - age + 10_000})

    found = status_redis.read(valkey, [])

    assert found.pending == 2
    assert 4_000 <= found.oldest_pending_ms < 5_000


def test_workers_are_shown_with_what_they_have_loaded(valkey: redis.Redis) -> None:
    beat(valkey, "worker-2", busy_ms=2_500)
    beat(valkey, "worker-1")

    first, second = status_redis.read(valkey, []).workers

    assert (first.id, first.busy_ms, first.pid) == ("worker-1", 0, 42)
    assert 2_500 <= second.busy_ms < 4_000
    assert [each.version for each in first.models] == ["guard@1"]
    assert first.models[0].provider == "CPUExecutionProvider"
    assert first.errors == {"llm": "absent"}
