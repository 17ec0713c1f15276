"""Limits reach the processes that count in memory, and whoever set them waits for it."""

import pytest
import redis

from streams.gateways_redis import GatewayLease
from streams.limits import Rate
from streams.limits_redis import write_limits
from streams.turnstile_redis import LimitsInUse, wait_until_in_use
from tests.inference.clock import Clock

CAP = {"address.sockets": Rate(5)}


class Process:
    """A live gateway's process."""

    def __init__(self, url: str, name: str = "g1") -> None:
        self.used: list[dict[str, Rate]] = []
        self.lease = GatewayLease(url, name)
        self.lease.renew()
        self.limits = LimitsInUse(url, name, lambda limits: self.used.append(dict(limits)))


@pytest.fixture
def process(valkey: redis.Redis, url: str) -> Process:
    return Process(url)


def test_a_process_uses_what_was_written(valkey: redis.Redis, process: Process) -> None:
    write_limits(valkey, CAP)
    process.limits.refresh()
    write_limits(valkey, {})
    process.limits.refresh()
    assert process.used == [CAP, {}]


def test_limits_that_redis_lost_stay_in_use(valkey: redis.Redis, process: Process) -> None:
    process.limits.refresh()
    assert process.used == []


def test_whoever_set_limits_waits_for_every_live_gateway(
    valkey: redis.Redis, url: str, process: Process
) -> None:
    others = [process, Process(url, "g2"), Process(url, "gone")]
    others.pop().lease.end()
    valkey.hset("rtai:config", "limits", 8)
    write_limits(valkey, CAP, "8")
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        others.pop().limits.refresh()

    assert wait_until_in_use(valkey, 10.0, Clock(), sleep)
    assert len(waited) == 2
    assert wait_until_in_use(valkey, 0.0, Clock(), sleep)


def test_a_gateway_that_does_not_follow_is_not_waited_for_without_end(
    valkey: redis.Redis, process: Process
) -> None:
    write_limits(valkey, CAP, "0")
    clock = Clock()
    assert not wait_until_in_use(valkey, 10.0, clock, clock.pass_by)


def test_nobody_waits_where_no_gateway_lives(valkey: redis.Redis) -> None:
    write_limits(valkey, CAP, "0")
    assert wait_until_in_use(valkey, 0.0)
