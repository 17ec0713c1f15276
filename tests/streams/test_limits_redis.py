"""Buckets that take from Redis without a message."""

import pytest
import redis

from inference.errors import Overloaded, RateLimited
from policy.limits_redis import TAKE, Bucket
from streams import keys
from streams.limits import Rate
from streams.limits_redis import read_limits, take, take_async, write_limits

BUCKETS = [Bucket("address.connections", "demo:a1")]
TAKE_SOME = f"""{TAKE}
local taken = 0
redis.call('SET', KEYS[2], string.format('%.3f', now + 18000 - ARGV[2]))
while taken < tonumber(ARGV[3]) and not take(KEYS[1], {{ARGV[1]}}, {{KEYS[2]}}) do
  taken = taken + 1
end
return taken
"""
"""How often a bucket gives that was emptied so many ms ago; time stands still in a script."""


def test_limits_are_replaced_as_a_whole(valkey: redis.Redis) -> None:
    assert read_limits(valkey) is None
    write_limits(valkey, {"user.messages": Rate(20, 10_000, 20), "user.open_connections": Rate(5)})
    write_limits(valkey, {"user.messages": Rate(1, 1_000, 1)})
    assert read_limits(valkey) == {"user.messages": Rate(1, 1_000, 1)}
    write_limits(valkey, {})
    assert read_limits(valkey) == {}


def test_limits_read_before_a_change_are_not_written_after_it(valkey: redis.Redis) -> None:
    assert write_limits(valkey, {}, version="0")
    valkey.hincrby("rtai:config", "limits", 1)
    assert not write_limits(valkey, {"user.messages": Rate(1, 1_000, 1)}, version="0")
    assert read_limits(valkey) == {}


async def test_a_bucket_is_taken_from_until_it_is_empty(valkey: redis.Redis, url: str) -> None:
    write_limits(valkey, {"address.connections": Rate(2, 60_000, 2)})
    take(url, BUCKETS)
    await take_async(url, BUCKETS)
    for attempt in range(2):
        with pytest.raises(RateLimited) as refused:
            take(url, BUCKETS) if attempt else await take_async(url, BUCKETS)
        assert refused.value.retry_after_ms is not None
        assert 29_000 < refused.value.retry_after_ms <= 30_000


def test_a_fresh_bucket_is_full(valkey: redis.Redis, url: str) -> None:
    write_limits(valkey, {"address.connections": Rate(10, 60_000, 3)})
    for _ in range(3):
        take(url, BUCKETS)
    with pytest.raises(RateLimited):
        take(url, BUCKETS)


@pytest.mark.parametrize(
    ("waited_ms", "passes"),
    [
        (0, 0), (5_999, 0), (6_000, 1), (6_001, 1), (11_999, 1), (12_000, 2), (12_001, 2),
        (18_000, 3), (600_000, 3),
    ],
)  # fmt: skip
def test_an_empty_bucket_fills_at_its_rate(
    valkey: redis.Redis, waited_ms: int, passes: int
) -> None:
    write_limits(valkey, {"address.connections": Rate(10, 60_000, 3)})
    [bucket] = BUCKETS

    taken = valkey.eval(TAKE_SOME, 2, keys.LIMITS, bucket.key, bucket.name, str(waited_ms), "5")
    assert taken == passes


def test_a_bucket_forgets_itself_when_it_is_full(valkey: redis.Redis, url: str) -> None:
    write_limits(valkey, {"address.connections": Rate(2, 60_000, 2)})
    take(url, BUCKETS)
    assert 0 < valkey.pttl(BUCKETS[0].key) <= 30_000


def test_what_has_no_limit_leaves_no_bucket(valkey: redis.Redis, url: str) -> None:
    write_limits(valkey, {"address.connections": Rate(2)})
    for _ in range(10):
        take(url, [*BUCKETS, Bucket("user.messages", "x")])
    take(url, [])
    assert valkey.keys("*") == [keys.LIMITS]


async def test_a_redis_that_is_away_is_overload() -> None:
    with pytest.raises(Overloaded):
        take("unix:///nonexistent/valkey.sock", BUCKETS)
    with pytest.raises(Overloaded):
        await take_async("unix:///nonexistent/valkey.sock", BUCKETS)


def test_a_raised_limit_frees_after_the_time_it_names(valkey: redis.Redis, url: str) -> None:
    write_limits(valkey, {"address.connections": Rate(1, 3_600_000, 1)})
    take(url, BUCKETS)
    write_limits(valkey, {"address.connections": Rate(100, 10_000, 1)})
    with pytest.raises(RateLimited) as refused:
        take(url, BUCKETS)
    assert refused.value.retry_after_ms is not None
    assert refused.value.retry_after_ms <= 100
    assert 0 < valkey.pttl(BUCKETS[0].key) <= 100
