"""Leases are renewed of those who are there, and of nobody who left meanwhile."""

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace

import pytest
import redis

from streams import keys
from streams.clients import Client
from streams.closes import CloseCode
from streams.renewal import renew
from streams.sessions_redis import LiveSessions, RedisSessions
from tests.streams.test_sessions import Case


class Store(RedisSessions):
    """A real store; something happens after a renewal has begun, and before it is written."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def renew(
        self, sessions: Iterable[tuple[Client, Collection[str]]], gateway: str
    ) -> list[str]:
        held = list(sessions)
        if self.meanwhile is not None:
            await self.meanwhile()
        return await super().renew(held, gateway)


class Held:
    """A visitor in the lobby, in a store that is real."""

    def __init__(self, url: str) -> None:
        case = Case()
        self.store = Store(url)
        case.ports = replace(case.ports, store=self.store)
        self.visitor = case.visitor(user="ann")
        self.session = self.visitor.session

    async def enter(self) -> None:
        await self.store.open(self.session.client, "g")
        await self.session.open()
        await self.visitor.ask(type="subscribe", stream="lobby")

    async def renew(self, meanwhile: Callable[[], Awaitable[object]] | None = None) -> None:
        self.store.meanwhile = meanwhile
        await renew(self.store, [self.session], "g")


@pytest.fixture
async def held(valkey: redis.Redis, url: str) -> Held:
    made = Held(url)
    await made.enter()
    return made


def seen(valkey: redis.Redis) -> list[tuple[str, tuple[str, ...]]]:
    """Users and their streams, as everybody sees them."""
    return [(each.user, each.streams) for each in LiveSessions(valkey).page("demo")[1]]


async def test_a_session_is_put_back_that_the_store_lost(held: Held, valkey: redis.Redis) -> None:
    valkey.flushall()
    await held.renew()

    assert seen(valkey) == [("ann", ("lobby",))]


async def test_a_session_that_closes_meanwhile_leaves_nothing_behind(
    held: Held, valkey: redis.Redis
) -> None:
    await held.renew(held.session.close)

    assert valkey.keys("rtai:*session*") == []


async def test_a_session_that_has_closed_is_not_put_back(held: Held, valkey: redis.Redis) -> None:
    await held.session.close()
    await held.renew()

    assert valkey.keys("rtai:*session*") == []


async def test_a_stream_that_is_left_meanwhile_is_not_put_back(
    held: Held, valkey: redis.Redis
) -> None:
    await held.renew(lambda: held.session.withdraw("lobby"))

    assert seen(valkey) == [("ann", ())]
    assert valkey.keys(keys.stream_sessions("demo", "lobby")) == []


async def test_one_who_was_banned_meanwhile_is_sent_away(held: Held, valkey: redis.Redis) -> None:
    valkey.zadd(keys.bans("demo"), {"user:ann": 4_000_000_000_000})
    await held.renew()

    assert [end.code for end in held.visitor.closed] == [CloseCode.BANNED]
