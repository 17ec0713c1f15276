"""That nobody stays in a list whom no stream has any more."""

import asyncio

import pytest

from tests.streams.fakes import lobby_group, turns
from tests.streams.test_sessions import Case, Visitor

STARTED = {
    "type": "generation.start", "id": "g1", "site": "demo", "stream": "lobby",
    "owner": "bob", "ref": "", "model": "chat-mini",
}  # fmt: skip


@pytest.fixture
def case() -> Case:
    return Case()


async def subscribed(case: Case, *streams: str) -> Visitor:
    """A visitor of these streams who has read what came so far."""
    visitor = case.visitor(user="ann", name="Ann")
    await visitor.session.open()
    for name in streams:
        await visitor.ask(type="subscribe", stream=name)
    await visitor.read()
    return visitor


def present(case: Case) -> set[str]:
    return {stream for stream, sessions in case.presences.present.items() if sessions}


async def test_who_leaves_while_redis_is_away_is_no_longer_present_once_it_is_back(
    case: Case,
) -> None:
    visitor = await subscribed(case, "lobby", "other")
    case.store.away = True
    await visitor.ask(type="unsubscribe", stream="lobby")
    assert present(case) == {"lobby", "other"}
    case.store.away = False
    await case.roster.settle()
    assert present(case) == {"other"}

    case.presences.away = True
    await visitor.session.close()
    case.presences.away = False
    await case.roster.settle()
    assert present(case) == set()


@pytest.mark.parametrize("away", ["presences", "mailboxes"])
async def test_who_subscribes_while_redis_is_away_is_present_once_it_is_back(
    case: Case, away: str
) -> None:
    visitor = await subscribed(case)
    getattr(case, away).away = True
    (answer,) = await visitor.ask(type="subscribe", stream="lobby")
    assert answer["type"] == "subscribed"
    assert present(case) == set()
    getattr(case, away).away = False
    await case.roster.settle()

    assert present(case) == {"lobby"}


async def test_a_close_that_is_cut_short_leaves_no_stream_with_a_subscription(case: Case) -> None:
    visitor = await subscribed(case, "lobby", "other")
    case.store.gate = asyncio.Event().wait
    closing = asyncio.create_task(visitor.session.close())
    await turns()
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)

    assert case.hub.streams() == []
    await case.roster.settle()
    assert present(case) == set()


async def test_a_failed_subscription_to_a_stream_that_one_is_in_leaves_it_altogether(
    case: Case,
) -> None:
    visitor = await subscribed(case, "lobby")
    case.history.away = True
    assert await visitor.error(type="subscribe", stream="lobby") == "overloaded"
    case.bus.publish(lobby_group(), STARTED)

    assert await visitor.read() == []
    assert visitor.session.streams == {}
    assert case.store.attached == set()
    assert present(case) == set()


async def test_a_failed_first_subscription_is_detached_from_the_store(case: Case) -> None:
    visitor = await subscribed(case)
    case.history.away = True

    assert await visitor.error(type="subscribe", stream="lobby") == "overloaded"
    assert case.store.attached == set()


async def test_who_is_sent_out_before_it_is_present_does_not_become_so(case: Case) -> None:
    visitor, gate = await subscribed(case), asyncio.Event()
    case.presences.gate = gate.wait
    subscribing = asyncio.create_task(visitor.ask(type="subscribe", stream="lobby"))
    await turns()
    case.presences.gate = None
    await visitor.session.withdraw("lobby")
    gate.set()
    await subscribing
    await case.roster.settle()

    assert present(case) == set()
