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
from streams.attendance_redis import GRACE_MS, RedisAttendance
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
        self, user: str = "ann", wish: OnDisconnect = OnDisconnect.CANCEL, **requester: Any
    ) -> Generation:
        """A generation of this user, admitted here."""
        generation = a_generation(owner=Author(user, user.title()), on_disconnect=wish)
        await self.generations.admit(generation, a_visitor(user=user, **requester))
        return generation


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
    await house.one.sessions.open(a_client(), "gateway-1")
    generation = await house.one.asked()

    assert await left(house, generation) == []
    assert house.valkey.zscore(keys.ATTENDED, generation.id) == 0


async def test_an_owner_who_stays_away_is_found_after_the_grace(house: House) -> None:
    client = a_client()
    await house.one.sessions.open(client, "gateway-1")
    generation = await house.one.asked()
    await house.one.sessions.close(client)

    assert await house.one.attendance.left() == []
    house.passes(GRACE_MS - 1_000, generation)
    assert await house.one.attendance.left() == []
    house.passes(1_000, generation)
    assert await house.one.attendance.left() == [generation.id]


async def test_another_gateway_finds_who_was_lost_with_a_killed_one(house: House) -> None:
    await house.one.sessions.open(a_client(), "gateway-1")
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


async def test_who_comes_back_elsewhere_in_time_is_missed_no_more(house: House) -> None:
    await house.one.sessions.open(a_client(session="s1"), "gateway-1")
    generation = await house.one.asked()
    house.dies(house.one)
    assert await house.other.attendance.left() == []
    house.passes(GRACE_MS - 1_000, generation)

    back = a_client(session="s2")
    await house.other.sessions.open(back, "gateway-2")
    assert await left(house, generation, by=house.other) == []

    await house.other.sessions.close(back)
    assert await left(house, generation, by=house.other) == [generation.id]


async def test_one_of_several_sessions_is_enough(house: House) -> None:
    for gateway, session in ((house.one, "s1"), (house.other, "s2")):
        await gateway.sessions.open(a_client(session=session), gateway.name)
    generation = await house.one.asked()
    house.dies(house.one)

    assert await left(house, generation, by=house.other) == []


async def test_others_with_the_same_name_on_another_site_do_not_count(house: House) -> None:
    await house.one.sessions.open(a_client(site="elsewhere"), "gateway-1")
    await house.one.sessions.open(a_client(user="bob"), "gateway-1")
    generation = await house.one.asked()

    assert await left(house, generation) == [generation.id]


async def test_what_was_not_wished_is_not_looked_for(house: House) -> None:
    generation = await house.one.asked(wish=OnDisconnect.CONTINUE)

    assert await left(house, generation) == []


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
