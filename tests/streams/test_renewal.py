"""Leases are renewed of those who are there, and of nobody who left meanwhile."""

import asyncio
import weakref
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import replace

import pytest
import redis

from streams import keys
from streams.bans_redis import ADDRESS, KICK_MS, SESSION, USER, close_sessions
from streams.clients import Client
from streams.closes import CloseCode
from streams.outbox import Outbox
from streams.renewal import AT_ONCE, renew
from streams.session_store import KICKED
from streams.sessions import Session
from streams.sessions_redis import LiveSessions, RedisSessions
from tests.streams.fakes import FakeStore
from tests.streams.people import a_client
from tests.streams.test_sessions import Case


class Store(RedisSessions):
    """A real store; something happens after a renewal has begun, and before it is written."""

    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def renew(
        self, sessions: Iterable[tuple[Client, Collection[str]]], gateway: str
    ) -> Mapping[str, str]:
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


async def test_a_kick_whose_word_was_lost_ends_its_session_with_the_next_renewal(
    held: Held, valkey: redis.Redis
) -> None:
    close_sessions(valkey, "demo", SESSION, held.session.id)  # Nobody hears: there is no bus.
    assert held.visitor.closed == []
    await held.renew()

    assert [end.code for end in held.visitor.closed] == [CloseCode.BANNED]
    assert KICKED in held.visitor.closed[0].reason


@pytest.mark.parametrize("kind", [USER, ADDRESS])
async def test_a_kick_of_many_means_who_was_there_and_not_who_comes_later(
    held: Held, valkey: redis.Redis, url: str, kind: str
) -> None:
    subject = held.session.user if kind == USER else held.session.address
    close_sessions(valkey, "demo", kind, subject)
    valkey.hset(keys.session(held.session.id), "connected_ms", 1)
    valkey.zadd(keys.kicks("demo"), {f"{kind}:{subject}": 2})
    later = Held(url)
    await later.enter()
    await later.renew()
    await held.renew()

    assert later.visitor.closed == []
    assert [end.code for end in held.visitor.closed] == [CloseCode.BANNED]


async def test_a_kick_of_somebody_else_ends_nobody_and_is_forgotten(
    held: Held, valkey: redis.Redis
) -> None:
    for kind in (SESSION, USER, ADDRESS):
        close_sessions(valkey, "demo", kind, "another")
    await held.renew()

    assert held.visitor.closed == []
    assert 0 < valkey.pttl(keys.kicks("demo")) <= KICK_MS


class Leaving(FakeStore):
    """A store whose sessions leave while they are renewed; it lets them go all together."""

    def __init__(self, sessions: list[Session]) -> None:
        super().__init__()
        self.sessions = sessions
        self.all_asked = asyncio.Event()
        self.asked = 0
        self.first: weakref.ref[Session] | None = None

    async def renew(
        self, sessions: Iterable[tuple[Client, Collection[str]]], gateway: str
    ) -> Mapping[str, str]:
        ids = {client.session for client, _ in sessions}
        if self.first is not None:
            assert self.first() is None, "One that was renewed and has left is in memory."
        for session in [each for each in self.sessions if each.id in ids]:
            session.leaving = True
            self.first = weakref.ref(session)
            self.sessions.remove(session)
        self.all_asked.clear()
        self.asked = len(ids)
        return {}

    async def close(self, client: Client) -> None:
        self.asked -= 1
        if not self.asked:
            self.all_asked.set()
        await self.all_asked.wait()


def a_session(case: Case, id: str) -> Session:
    async def write(text: str) -> None: ...

    outbox = Outbox(write, lambda: None, clock=case.clock)
    return Session(a_client(session=id), outbox, case.ports, lambda why: None)


async def test_a_crowd_that_leaves_while_it_is_renewed_is_let_go_at_once() -> None:
    case = Case()
    sessions = [a_session(case, f"s{n}") for n in range(2 * AT_ONCE)]
    store = Leaving(sessions)
    async with asyncio.timeout(10):
        await renew(store, iter(sessions[:]), "g")

    assert sessions == []
