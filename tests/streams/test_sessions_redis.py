"""What the session store promises, on a real Valkey."""

import time
from collections.abc import Mapping

import pytest
import redis

from inference.errors import Overloaded, RateLimited
from policy.keys import GATEWAYS
from streams import keys
from streams.gateways_redis import LEASE_MS as GATEWAY_LEASE_MS
from streams.limits import check
from streams.limits_redis import write_limits
from streams.session_store import BANNED, Banned, TooManyConnections
from streams.sessions_redis import LiveSessions, RedisSessions
from tests.streams.people import a_client


@pytest.fixture
def store(valkey: redis.Redis, url: str) -> RedisSessions:
    return RedisSessions(url)


def limit(valkey: redis.Redis, limits: Mapping[str, str]) -> None:
    write_limits(valkey, {name: check(name, rate) for name, rate in limits.items()})


def expire(valkey: redis.Redis, site: str = "demo") -> None:
    """What the clock does to the leases of a process that died."""
    for key in valkey.scan_iter(match="rtai:*sessions:*"):
        valkey.zadd(key, {str(member): 1 for member in valkey.zrange(key, 0, -1)})
    for key in valkey.scan_iter(match="rtai:session:*"):
        valkey.delete(key)


async def test_an_open_session_is_seen_with_all_it_is(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    client = a_client(role="moderator")
    before = int(time.time() * 1000)
    await store.open(client, "gateway-1")
    await store.attach(client, "lobby")
    await store.attach(client, "news:de")
    await store.attach(client, "gone")
    await store.detach(client, "gone")
    (found,) = LiveSessions(valkey).page("demo")[1]
    assert (found.id, found.user, found.name) == (client.session, "ann", "Ann")
    assert (found.role, found.address, found.gateway) == ("moderator", "a1", "gateway-1")
    assert found.streams == ("lobby", "news:de")
    assert before - 1_000 < found.connected_ms < before + 10_000
    assert (found.messages, found.last_verdict) == (0, "")


async def test_a_closed_session_leaves_nothing_behind(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    client = a_client()
    await store.open(client, "g")
    await store.attach(client, "lobby")
    await store.close(client)
    assert valkey.keys("*") == []


async def test_sessions_of_a_dead_gateway_disappear_and_free_their_places(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.open_connections": "1"})
    await store.open(a_client(), "g")
    expire(valkey)
    assert LiveSessions(valkey).page("demo") == (0, [])
    await store.open(a_client(), "g")


async def test_everything_a_session_stores_has_a_lease(valkey: redis.Redis, url: str) -> None:
    client = a_client()
    store = RedisSessions(url, lease_ms=5_000)
    await store.open(client, "g")
    await store.attach(client, "lobby")
    found = {key: valkey.pttl(key) for key in valkey.keys("*")}
    assert len(found) == 5
    assert all(0 < ttl <= 5_000 for ttl in found.values())


async def test_renewing_extends_the_lease_and_keeps_what_was_counted(
    valkey: redis.Redis, url: str
) -> None:
    client, long = a_client(), RedisSessions(url, lease_ms=60_000)
    await RedisSessions(url, lease_ms=5_000).open(client, "g")
    valkey.hset(keys.session(client.session), mapping={"messages": 7, "last_verdict": "allow"})
    assert await long.renew([(client, {"lobby"})], "g") == {}
    (found,) = LiveSessions(valkey).page("demo", stream="lobby")[1]
    assert (found.messages, found.last_verdict, found.streams) == (7, "allow", ("lobby",))
    assert valkey.pttl(keys.session(client.session)) > 5_000


async def test_renewing_puts_back_what_redis_lost(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    clients = [a_client(user=f"user-{number}") for number in range(600)]
    assert await store.renew([(client, ["lobby"]) for client in clients], "g") == {}
    assert LiveSessions(valkey).count("demo", stream="lobby") == 600
    assert LiveSessions(valkey).count("demo", user="user-7") == 1


async def test_renewing_names_those_banned_meanwhile(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    ann, bob = a_client(), a_client(user="bob", address="a2")
    await store.open(ann, "g")
    await store.open(bob, "g")
    valkey.zadd(keys.bans("demo"), {"address:a2": time.time() * 1000 + 60_000})
    assert await store.renew([(ann, ()), (bob, ())], "g") == {bob.session: BANNED}


@pytest.mark.parametrize("subject", ["user:ann", "address:a1"])
async def test_the_banned_may_not_connect_until_their_time_is_over(
    store: RedisSessions, valkey: redis.Redis, subject: str
) -> None:
    until = int(time.time() * 1000) + 60_000
    valkey.zadd(keys.bans("demo"), {subject: until})
    with pytest.raises(Banned) as refused:
        await store.open(a_client(), "g")
    assert refused.value.until_ms == until
    await store.open(a_client(site="other"), "g")
    await store.open(a_client(user="bob", address="a2"), "g")
    valkey.zadd(keys.bans("demo"), {subject: until - 120_000})
    await store.open(a_client(), "g")


@pytest.mark.parametrize("scope", ["site", "user", "address"])
async def test_connections_opened_too_fast_are_limited(
    store: RedisSessions, valkey: redis.Redis, scope: str
) -> None:
    limit(valkey, {f"{scope}.connections": "2/1h"})
    for _ in range(2):
        client = a_client()
        await store.open(client, "g")
        await store.close(client)
    with pytest.raises(RateLimited, match=rf"{scope}\.connections") as refused:
        await store.open(a_client(), "g")
    assert refused.value.retry_after_ms is not None
    assert 1_700_000 < refused.value.retry_after_ms <= 1_800_000
    assert not isinstance(refused.value, TooManyConnections)


@pytest.mark.parametrize("scope", ["site", "user", "address"])
async def test_only_so_many_may_be_open_at_once(
    store: RedisSessions, valkey: redis.Redis, scope: str
) -> None:
    limit(valkey, {f"{scope}.open_connections": "2"})
    clients = [a_client() for _ in range(3)]
    await store.open(clients[0], "g")
    await store.open(clients[1], "g")
    with pytest.raises(TooManyConnections, match=rf"{scope}\.open_connections"):
        await store.open(clients[2], "g")
    await store.close(clients[0])
    await store.open(clients[2], "g")


def grow_old(valkey: redis.Redis, session: str, seconds: float) -> None:
    """What the clock does to a session that nobody renews."""
    for key in valkey.scan_iter(match="rtai:*sessions:*"):
        valkey.zadd(key, {session: -seconds * 1_000}, incr=True, xx=True)


def heard(valkey: redis.Redis, gateway: str, seconds: float) -> None:
    """As if a gateway had said so long ago that it lives."""
    now, micros = valkey.time()
    ends = now * 1_000 + micros // 1_000 + GATEWAY_LEASE_MS - seconds * 1_000
    valkey.zadd(GATEWAYS, {gateway: ends})


@pytest.mark.parametrize("scope", ["site", "user", "address"])
async def test_while_a_gateway_is_silent_nobody_is_turned_away_for_good(
    store: RedisSessions, valkey: redis.Redis, scope: str
) -> None:
    limit(valkey, {f"{scope}.open_connections": "1"})
    heard(valkey, "here", 0.0)
    heard(valkey, "gone", 2.5)
    await store.open(a_client(), "gone")
    with pytest.raises(Overloaded) as refused:
        await store.open(a_client(), "here")

    assert refused.value.retry_after_ms == 2_000


async def test_sessions_of_a_gateway_that_was_given_up_make_room(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.open_connections": "1"})
    heard(valkey, "here", 0.0)
    heard(valkey, "gone", 11.0)
    lost = a_client()
    await store.open(lost, "gone")
    grow_old(valkey, lost.session, 11.0)
    mine = a_client()
    await store.open(mine, "here")

    assert valkey.zrange(keys.user_sessions("demo", "ann"), 0, -1) == [mine.session]


async def test_old_sessions_of_a_gateway_that_lives_keep_their_places(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.open_connections": "1"})
    heard(valkey, "busy", 0.0)
    held = a_client()
    await store.open(held, "busy")
    grow_old(valkey, held.session, 25.0)
    with pytest.raises(TooManyConnections):
        await store.open(a_client(), "busy")

    assert LiveSessions(valkey).count("demo") == 1


async def test_a_gateway_that_ended_makes_nobody_unsure(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.open_connections": "1"})
    heard(valkey, "here", 0.0)
    valkey.zadd(GATEWAYS, {"ended": 0})
    await store.open(a_client(), "here")
    with pytest.raises(TooManyConnections):
        await store.open(a_client(), "here")


async def test_opening_the_same_session_twice_counts_once(
    store: RedisSessions, valkey: redis.Redis
) -> None:
    limit(valkey, {"user.open_connections": "1", "user.connections": "1/1h"})
    client = a_client()
    await store.open(client, "g")
    await store.open(client, "g")
    assert LiveSessions(valkey).count("demo") == 1


async def test_a_list_is_paged_and_filtered(store: RedisSessions, valkey: redis.Redis) -> None:
    for number in range(12):
        client = a_client(session=f"s{number:02}", user=f"user-{number % 3}")
        await store.open(client, "g")
        valkey.hset(keys.session(client.session), "connected_ms", 1_000 + number)
        await store.attach(client, "even" if number % 2 == 0 else "odd")
    live = LiveSessions(valkey)
    total, first = live.page("demo", size=5)
    assert (total, [each.id for each in first]) == (12, ["s11", "s10", "s09", "s08", "s07"])
    assert [each.id for each in live.page("demo", offset=10, size=5)[1]] == ["s01", "s00"]
    assert live.count("demo", stream="even") == 6
    assert live.count("demo", user="user-1") == 4
    assert live.count("demo", stream="even", user="user-1") == 2
    assert live.page("demo", stream="nothing") == (0, [])
    found = live.get("s03")
    assert found is not None
    assert found.streams == ("odd",)
    assert live.get("unknown") is None


async def test_a_redis_that_is_away_is_overload() -> None:
    store, client = RedisSessions("unix:///nonexistent/valkey.sock"), a_client()
    for attempt in (
        store.open(client, "g"),
        store.close(client),
        store.attach(client, "lobby"),
        store.detach(client, "lobby"),
        store.renew([(client, ())], "g"),
    ):
        with pytest.raises(Overloaded):
            await attempt
