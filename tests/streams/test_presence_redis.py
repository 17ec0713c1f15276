import asyncio
import time
from typing import Any, cast

import redis

from policy import keys as policy_keys
from streams import keys
from streams.gateways_redis import GatewayLease
from streams.presence import MAX_NAMED
from streams.presence_redis import RedisPresences
from tests.streams.people import a_client


class Case:
    def __init__(self, url: str, gateway: str = "g1") -> None:
        self.told: list[tuple[str, str]] = []
        self.presences = RedisPresences(url, gateway, self._send)

    async def _send(self, group: str, event: dict[str, Any]) -> None:
        self.told.append((event["kind"], event["user"]))


async def test_a_user_joins_with_the_first_session_and_leaves_with_the_last(
    url: str, valkey: redis.Redis
) -> None:
    case = Case(url)
    first, second = a_client(user="ann", name="Ann"), a_client(user="ann", name="Ann")
    await case.presences.join(first, "lobby")
    await case.presences.join(first, "lobby")
    await case.presences.join(second, "lobby")
    assert await case.presences.of("demo", "lobby") == (1, (("ann", "Ann"),))

    await case.presences.leave(first, "lobby")
    await case.presences.leave(first, "lobby")
    assert case.told == [("joined", "ann")]
    await case.presences.leave(second, "lobby")
    assert case.told == [("joined", "ann"), ("left", "ann")]
    assert await case.presences.of("demo", "lobby") == (0, ())
    assert valkey.keys("rtai:presence:*") == []


async def test_above_a_hundred_users_only_the_count_is_told(url: str, valkey: redis.Redis) -> None:
    case = Case(url)
    for number in range(MAX_NAMED + 1):
        await case.presences.join(a_client(user=f"u{number}"), "lobby")

    assert await case.presences.of("demo", "lobby") == (MAX_NAMED + 1, None)
    assert len(case.told) == MAX_NAMED


async def test_a_dead_gateways_sessions_are_taken_out(url: str, valkey: redis.Redis) -> None:
    dead, alive = Case(url, "dead"), Case(url, "alive")
    await dead.presences.join(a_client(user="ann"), "lobby")
    await alive.presences.join(a_client(user="bob"), "lobby")
    GatewayLease(url, "dead").renew()
    GatewayLease(url, "alive").renew()
    await alive.presences.bury()
    assert (await alive.presences.of("demo", "lobby"))[0] == 2

    GatewayLease(url, "dead").end()
    await alive.presences.bury()
    assert await alive.presences.of("demo", "lobby") == (1, (("bob", "Ann"),))
    assert alive.told == [("joined", "bob"), ("left", "ann")]
    assert valkey.zrange(policy_keys.GATEWAYS, 0, -1) == ["alive"]


def entries(valkey: redis.Redis) -> list[tuple[str, dict[str, str]]]:
    """What is told to whoever passes it on."""
    return cast(list[tuple[str, dict[str, str]]], valkey.xrange(keys.EVENTS))


def events(valkey: redis.Redis) -> list[tuple[str, str]]:
    """The same, in short."""
    return [(entry["event"], entry["user"]) for _, entry in entries(valkey)]


async def test_coming_and_going_are_events_that_others_can_pass_on(
    url: str, valkey: redis.Redis
) -> None:
    case, ann = Case(url), a_client(user="ann", name="Ann \U0001f600")
    await case.presences.join(ann, "lobby")
    await case.presences.join(a_client(user="ann"), "lobby")
    await case.presences.leave(ann, "lobby")
    ((_, entry),) = entries(valkey)

    assert abs(int(entry.pop("at_ms")) - time.time() * 1000) < 10_000
    assert entry == {
        "event": "joined", "site": "demo", "stream": "lobby", "user": "ann",
        "name": "Ann \U0001f600",
    }  # fmt: skip


async def test_a_dead_gateways_sessions_leave_as_events_once(url: str, valkey: redis.Redis) -> None:
    dead, alive, third = Case(url, "dead"), Case(url, "alive"), Case(url, "third")
    for user in ("ann", "ann", "bob"):
        await dead.presences.join(a_client(user=user), "lobby")
    GatewayLease(url, "dead").renew()
    GatewayLease(url, "dead").end()
    await asyncio.gather(alive.presences.bury(), third.presences.bury())

    assert sorted(events(valkey)[2:]) == [("left", "ann"), ("left", "bob")]


async def test_a_thousand_joins_are_told_a_hundred_times_and_all_are_events(
    url: str, valkey: redis.Redis
) -> None:
    case = Case(url)
    await asyncio.gather(
        *(case.presences.join(a_client(user=f"u{number}"), "lobby") for number in range(1_000))
    )

    assert len(case.told) == MAX_NAMED
    assert len(events(valkey)) == 1_000
    assert await case.presences.of("demo", "lobby") == (1_000, None)


def test_a_gateway_learns_that_redis_does_not_know_it(url: str, valkey: redis.Redis) -> None:
    lease = GatewayLease(url, "g1")
    known = [lease.renew(), lease.renew()]
    valkey.delete(policy_keys.GATEWAYS)

    assert [*known, lease.renew(), lease.renew()] == [True, False, True, False]
