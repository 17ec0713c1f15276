"""Whose owners left, as any gateway finds out on a real Valkey."""

from dataclasses import dataclass
from typing import Any

import pytest
import redis

from generation import keys
from generation.generations import FinishReason, Generation, OnDisconnect, Usage
from generation.generations_redis import RedisGenerations
from generation.work_redis import RedisWork
from inference.errors import Overloaded
from policy.keys import GATEWAYS
from policy.messages import Author
from streams.attendance_redis import GRACE_MS, OUTAGE_MS, RedisAttendance
from streams.clients import Client
from streams.gateways_redis import GatewayLease
from streams.sessions_redis import RedisSessions
from tests.generation.answers import a_generation, a_visitor
from tests.streams.people import a_client


@dataclass
class Gateway:
    """One of several; only what it says of itself and its clients."""

    url: str
    name: str

    def __post_init__(self) -> None:
        self.lease = GatewayLease(self.url, self.name)
        self.lease.renew()
        self.sessions = RedisSessions(self.url)
        self.generations = RedisGenerations(self.url, gateway=self.name)
        self.attendance = RedisAttendance(self.url)

    async def asked(
        self,
        user: str = "ann",
        wish: OnDisconnect = OnDisconnect.CANCEL,
        stream: str | None = None,
        **requester: Any,
    ) -> Generation:
        """A generation for which this user's session `s1` asked, admitted here."""
        generation = a_generation(
            owner=Author(user, user.title()), on_disconnect=wish, session="s1", stream=stream
        )
        await self.generations.admit(generation, a_visitor(user=user, **requester))
        return generation

    async def opened(self, session: str = "s1", **client: Any) -> Client:
        """A client that connects here."""
        found = a_client(session=session, **client)
        await self.sessions.open(found, self.name)
        return found


@dataclass
class House:
    """Two gateways and their Valkey."""

    valkey: redis.Redis
    one: Gateway
    other: Gateway

    def dies(self, gateway: Gateway) -> None:
        """What time does to the lease of a killed gateway, well before its sessions' own."""
        self.valkey.zadd(GATEWAYS, {gateway.name: 1})

    def passes(self, ms: int, *generations: Generation) -> None:
        """So much time passes for those that are missed."""
        for each in generations:
            if since := self.valkey.zscore(keys.ATTENDED, each.id):
                self.valkey.zadd(keys.ATTENDED, {each.id: float(str(since)) - ms})


@pytest.fixture
def house(valkey: redis.Redis, url: str) -> House:
    return House(valkey, Gateway(url, "gateway-1"), Gateway(url, "gateway-2"))


async def left(house: House, *generations: Generation, by: Gateway | None = None) -> list[str]:
    """Who is gone after a while: a first look misses them, a later one gives them up."""
    attendance = (by or house.one).attendance
    assert await attendance.left() == []
    house.passes(GRACE_MS, *generations)
    return list(await attendance.left())


async def test_whoever_is_here_is_missed_by_nobody(house: House) -> None:
    await house.one.opened()
    generation = await house.one.asked()

    assert await left(house, generation) == []
    assert house.valkey.zscore(keys.ATTENDED, generation.id) == 0


async def test_an_asker_who_stays_away_is_found_after_the_grace(house: House) -> None:
    client = await house.one.opened()
    generation = await house.one.asked()
    await house.one.sessions.close(client)

    assert await house.one.attendance.left() == []
    house.passes(GRACE_MS - 1_000, generation)
    assert await house.one.attendance.left() == []
    house.passes(1_000, generation)
    assert await house.one.attendance.left() == [generation.id]


async def test_a_farewell_is_the_end_although_the_session_still_stands_in_the_lists(
    house: House,
) -> None:
    client = await house.one.opened()
    generation = await house.one.asked()

    assert await house.one.attendance.depart(client.session, [generation.id], None) == [
        generation.id
    ]


async def test_a_session_that_is_lost_is_missed_from_then_on(house: House) -> None:
    client = await house.one.opened()
    generation = await house.one.asked()
    assert await house.one.attendance.left() == []
    assert await house.one.attendance.depart(client.session, [generation.id], 0) == []
    house.passes(GRACE_MS, generation)

    assert await house.one.attendance.left() == [generation.id]


async def test_who_was_told_when_to_come_back_has_until_then(house: House) -> None:
    client = await house.one.opened()
    generation = await house.one.asked()
    assert await house.one.attendance.left() == []
    await house.one.attendance.depart(client.session, [generation.id], 40_000)
    house.passes(40_000, generation)
    assert await house.one.attendance.left() == []

    house.passes(GRACE_MS, generation)
    assert await house.one.attendance.left() == [generation.id]


async def test_another_gateway_finds_who_was_lost_with_a_killed_one(house: House) -> None:
    await house.one.opened()
    generation = await house.one.asked()
    house.dies(house.one)

    assert await left(house, generation, by=house.other) == [generation.id]


async def test_what_one_gateway_began_to_miss_a_later_one_gives_up(house: House) -> None:
    generation = await house.one.asked()
    assert await house.one.attendance.left() == []
    house.dies(house.one)
    house.passes(GRACE_MS, generation)

    reborn = Gateway(house.one.url, "gateway-3")

    assert await reborn.attendance.left() == [generation.id]


async def test_while_no_gateway_is_there_nobody_can_come_back(house: House) -> None:
    generation = await house.one.asked()
    assert await house.one.attendance.left() == []
    house.passes(60_000, generation)
    house.valkey.delete(keys.LOOKED)  # As its time does where nobody looks.
    assert await house.other.attendance.left() == []

    house.passes(OUTAGE_MS - 1_000, generation)
    assert await house.other.attendance.left() == []
    house.passes(1_000, generation)
    assert await house.other.attendance.left() == [generation.id]


async def test_who_comes_back_elsewhere_and_resumes_in_time_is_missed_no_more(
    house: House,
) -> None:
    await house.one.opened()
    generation = await house.one.asked()
    house.dies(house.one)
    assert await house.other.attendance.left() == []
    house.passes(GRACE_MS - 1_000, generation)

    back = await house.other.opened("s2")
    await house.other.attendance.take_up(generation.id, back.session)
    assert await left(house, generation, by=house.other) == []

    await house.other.sessions.close(back)
    assert await left(house, generation, by=house.other) == [generation.id]


async def test_who_resumed_before_the_loss_was_noticed_is_the_one_who_counts_then(
    house: House,
) -> None:
    await house.one.opened()
    generation = await house.one.asked()
    back = await house.other.opened("s2")
    await house.other.attendance.take_up(generation.id, back.session)
    house.dies(house.one)
    assert await left(house, generation, by=house.other) == []

    assert await house.other.attendance.depart(back.session, [generation.id], None) == [
        generation.id
    ]


async def test_a_farewell_of_who_resumed_counts_as_soon_as_the_asker_is_lost(house: House) -> None:
    await house.one.opened()
    generation = await house.one.asked()
    await house.other.attendance.take_up(generation.id, "s2")
    assert await house.other.attendance.depart("s2", [generation.id], None) == []

    await house.other.attendance.take_up(generation.id, "s2")
    await house.one.attendance.depart("s1", [generation.id], 0)
    assert await house.other.attendance.depart("s2", [generation.id], None) == [generation.id]


async def test_another_session_of_the_user_does_not_count(house: House) -> None:
    other = await house.other.opened("s2")
    generation = await house.one.asked()
    await house.other.opened("s3")

    assert await house.other.attendance.depart(other.session, [generation.id], None) == []
    assert await left(house, generation, by=house.other) == [generation.id]


async def test_in_a_stream_who_came_later_and_reads_it_has_come_back(
    house: House, valkey: redis.Redis
) -> None:
    earlier = await house.one.opened("s0")
    await house.one.sessions.attach(earlier, "lobby")
    generation = await house.one.asked(stream="lobby")
    valkey.hset(keys.generation(generation.id), "since_ms", "1")
    valkey.hset(f"rtai:session:{earlier.session}", "connected_ms", "1")
    elsewhere = await house.other.opened("s2")
    await house.other.sessions.attach(elsewhere, "other")
    assert await left(house, generation) == [generation.id]

    await house.other.sessions.attach(elsewhere, "lobby")
    assert await house.one.attendance.left() == []
    assert valkey.zscore(keys.ATTENDED, generation.id) == 0


async def test_others_do_not_count(house: House) -> None:
    for client in ({"site": "elsewhere"}, {"user": "bob"}):
        found = await house.one.opened("s2", **client)
        await house.one.sessions.attach(found, "lobby")
    generation = await house.one.asked(stream="lobby")

    assert await left(house, generation) == [generation.id]


async def test_what_was_not_wished_is_not_looked_for(house: House) -> None:
    generation = await house.one.asked(wish=OnDisconnect.CONTINUE)
    await house.one.attendance.take_up(generation.id, "s2")

    assert await house.one.attendance.depart("s1", [generation.id], None) == []
    assert await left(house, generation) == []
    assert house.valkey.hget(keys.generation(generation.id), "heir") is None


async def test_a_programs_gateway_speaks_for_it_as_long_as_it_lives(house: House) -> None:
    generation = await house.one.asked("service:key-1", api_key="key-1")
    assert await left(house, generation, by=house.other) == []

    house.dies(house.one)

    assert await left(house, generation, by=house.other) == [generation.id]


async def test_what_is_cancelled_ended_or_forgotten_is_looked_for_no_more(
    house: House, valkey: redis.Redis
) -> None:
    cancelled, ended, lost = [await house.one.asked() for _ in range(3)]
    assert set(await left(house, cancelled, ended)) == {cancelled.id, ended.id}
    await house.one.generations.cancel(cancelled.id)
    work = RedisWork(valkey)
    work.claim(ended.id)
    work.finish(ended, FinishReason.STOP, Usage())
    valkey.delete(keys.generation(lost.id))

    assert await house.one.attendance.left() == []
    assert valkey.zcard(keys.ATTENDED) == 0


async def test_one_that_is_written_is_named_until_its_worker_stopped(
    house: House, valkey: redis.Redis
) -> None:
    generation, work = await house.one.asked(), RedisWork(valkey)
    work.claim(generation.id)
    assert await left(house, generation) == [generation.id]

    await house.one.generations.cancel(generation.id)

    assert work.stopped([generation.id]) == {generation.id: True}
    assert await house.one.attendance.left() == [generation.id]
    work.finish(generation, FinishReason.CANCELLED, Usage())
    assert await house.one.attendance.left() == []


async def test_a_redis_that_is_away_is_overload() -> None:
    with pytest.raises(Overloaded):
        await RedisAttendance("unix:///nonexistent/valkey.sock").left()
