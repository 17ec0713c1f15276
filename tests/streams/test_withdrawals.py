"""What subscribers learn when a stream or a site is switched off."""

import pytest

from streams.closes import CloseCode
from streams.directory import SiteInfo
from streams.frames import Subscribe
from streams.withdrawals import withdraw_gone
from tests.streams.fakes import lobby_group
from tests.streams.people import a_client
from tests.streams.test_listeners import Ear
from tests.streams.test_sessions import Case, Visitor


@pytest.fixture
def case() -> Case:
    return Case()


async def subscribed(case: Case, *streams: str) -> Visitor:
    """A visitor of these streams who has read what came so far."""
    visitor = Visitor(case)
    await visitor.session.open()
    for name in streams:
        await visitor.ask(type="subscribe", stream=name)
    await visitor.read()
    return visitor


async def test_a_stream_that_is_gone_is_unsubscribed_and_the_others_stay(case: Case) -> None:
    visitor = await subscribed(case, "lobby", "other")
    del case.directory.streams["demo", "other"]
    await withdraw_gone(case.hub.streams(), case.directory, [visitor.session])

    assert await visitor.read() == [
        {"type": "unsubscribed", "stream": "other", "reason": "not_found"}
    ]
    assert list(visitor.session.streams) == ["lobby"]
    case.bus.publish(lobby_group(), case.history.publish())
    assert [frame["type"] for frame in await visitor.read()] == ["message"]
    assert visitor.session.ended is None


async def test_nothing_is_said_while_everything_is_there_or_of_other_streams(case: Case) -> None:
    visitor = await subscribed(case, "lobby")
    del case.directory.streams["demo", "other"]
    await withdraw_gone(case.hub.streams(), case.directory, [visitor.session])

    assert await visitor.read() == []


@pytest.mark.parametrize("streams", [("lobby",), ()], ids=["subscribed", "without a stream"])
async def test_a_site_that_is_gone_ends_its_sessions_for_good(
    case: Case, monkeypatch: pytest.MonkeyPatch, streams: tuple[str, ...]
) -> None:
    visitor = await subscribed(case, *streams)
    case.directory.streams.clear()

    def nowhere(slug: str) -> SiteInfo | None:
        return None

    monkeypatch.setattr(case.directory, "site", nowhere)
    await withdraw_gone(case.hub.streams(), case.directory, [visitor.session])

    assert visitor.session.ended is not None
    assert visitor.session.ended.code == CloseCode.INVALID_TOKEN


async def test_the_sessions_of_other_sites_stay(case: Case) -> None:
    here, elsewhere = (case.visitor(site=site) for site in ("demo", "gone"))
    for visitor in (here, elsewhere):
        await visitor.session.open()
    await withdraw_gone(case.hub.streams(), case.directory, [here.session, elsewhere.session])

    assert here.session.ended is None
    assert elsewhere.session.ended is not None


async def test_a_store_that_is_away_stops_no_withdrawal(case: Case) -> None:
    visitors = [await subscribed(case, "lobby") for _ in range(3)]
    case.directory.streams.clear()
    case.store.away = True
    await withdraw_gone(case.hub.streams(), case.directory, [each.session for each in visitors])

    for visitor in visitors:
        assert [frame["type"] for frame in await visitor.read()] == ["unsubscribed"]


async def test_a_listener_whose_stream_is_gone_is_sent_away(case: Case) -> None:
    ear = Ear(case)
    await ear.listener.open()
    await ear.listener.follow(Subscribe("lobby"))
    case.directory.streams.clear()
    await withdraw_gone(case.hub.streams(), case.directory, [ear.listener])

    assert [close.code for close in ear.closed] == [CloseCode.NORMAL]
    assert ear.listener.client.site == a_client().site
