"""A session that only listens, over ports in memory."""

import asyncio

import pytest

from inference.errors import NotFound, Overloaded
from streams.awaited import PROOF_S, Mail
from streams.closes import Close
from streams.frames import Position, Subscribe
from streams.listeners import LOOK_MS, Listener
from streams.outbox import Outbox
from streams.pulse import HEARTBEAT_S, PONG_S
from tests.streams.fakes import lobby_group, turns
from tests.streams.people import a_client
from tests.streams.test_sessions import Case, Visitor

VERDICT = '{"type":"verdict","ref":"r","id":"m1","action":"hold","reasons":[]}'


class Ear(Visitor):
    """A visitor that only listens."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.closed: list[Close] = []
        self.outbox = Outbox(lambda text: self.write(text), lambda: None, clock=case.clock)
        self.listener = Listener(a_client(), self.outbox, case.ports, self.closed.append)

    async def kinds(self) -> list[str]:
        return [frame["type"] for frame in await self.read()]


@pytest.fixture
def case() -> Case:
    return Case()


async def test_a_listener_hears_nothing_before_subscribed(case: Case) -> None:
    ear = Ear(case)
    await ear.listener.open()
    assert await ear.kinds() == []
    await ear.listener.follow(Subscribe("lobby"))

    assert await ear.kinds() == ["subscribed"]


async def test_a_verdict_waits_in_the_mailbox_until_a_listener_is_live(case: Case) -> None:
    ear, gate = Ear(case), asyncio.Event()
    case.history.gate = gate.wait
    case.mailboxes.mails["demo", "ann"] = [Mail("m1", VERDICT, "")]
    await ear.listener.open()
    following = asyncio.create_task(ear.listener.follow(Subscribe("lobby", Position("e1", 0))))
    await turns()
    await case.audience.deliver_mail([ear.listener])
    assert await ear.kinds() == []
    gate.set()
    await following

    assert await ear.kinds() == ["subscribed", "verdict"]
    case.clock.now += PROOF_S
    await case.audience.settle()
    assert case.mailboxes.removed == {("demo", "ann", "m1")}


async def test_a_listener_recovers_and_goes_on(case: Case) -> None:
    ear = Ear(case)
    case.history.publish()
    await ear.listener.open()
    await ear.listener.follow(Subscribe("lobby", Position("e1", 0)))
    case.bus.publish(lobby_group(), case.history.publish())

    found = await ear.read()
    assert [frame["type"] for frame in found] == ["subscribed", "message", "message"]
    assert [frame["offset"] for frame in found[1:]] == [1, 2]


async def test_what_cannot_be_followed_is_raised_and_nothing_was_said(case: Case) -> None:
    ear = Ear(case)
    await ear.listener.open()
    with pytest.raises(NotFound):
        await ear.listener.follow(Subscribe("nowhere"))
    case.history.away = True
    with pytest.raises(Overloaded):
        await ear.listener.follow(Subscribe("lobby"))

    assert await ear.kinds() == []


async def test_a_verdict_that_the_bus_lost_is_found_in_the_mailbox(case: Case) -> None:
    ear = Ear(case)
    await ear.listener.open()
    await ear.listener.follow(Subscribe("lobby"))
    await case.audience.check()
    case.mailboxes.mails["demo", "ann"] = [Mail("m1", VERDICT, "")]
    await case.audience.check()
    assert await ear.kinds() == ["subscribed"]

    case.clock.now += LOOK_MS / 1_000
    await case.audience.check()
    assert await ear.kinds() == ["verdict"]
    case.clock.now += PROOF_S
    await case.audience.settle()
    assert case.mailboxes.removed == {("demo", "ann", "m1")}


async def test_a_listener_looks_into_its_mailbox_now_and_then_only(case: Case) -> None:
    ear = Ear(case)
    await ear.listener.open()
    looks = 0
    for _ in range(100):
        case.clock.now += 2
        looks += ear.listener.waits_since() is not None

    assert looks == 100 * 2_000 // LOOK_MS


async def test_a_listener_is_pinged_and_needs_not_answer(case: Case) -> None:
    ear = Ear(case)
    await ear.listener.open()
    pings = 0
    for _ in range(10):
        for step in (HEARTBEAT_S - PONG_S, PONG_S):
            case.clock.now += step
            ear.listener.tick()
        pings += (await ear.kinds()).count("ping")

    assert pings == 10
    assert ear.closed == []
