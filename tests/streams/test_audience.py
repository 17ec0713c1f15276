import asyncio

import pytest

from inference.errors import Overloaded
from streams import keys
from streams.audience import MAX_WAIT_MS, Audience
from streams.awaited import Mail
from tests.streams.fakes import FakeBus, FakeClock, FakeMailboxes, FakeReader, turns


class Case:
    def __init__(self) -> None:
        self.bus = FakeBus()
        self.mailboxes = FakeMailboxes()
        self.clock = FakeClock()
        self.audience = Audience(self.bus, self.mailboxes, self.clock.ms)
        self.bus.receive = self.audience.receive

    def verdict(self, user: str, site: str = "demo") -> None:
        message = {
            "type": "user.frame", "user": user, "id": "m1",
            "frame": "public", "moderator_frame": "full",
        }  # fmt: skip
        self.bus.publish(keys.site_group(site), message)

    def close(self, session: str = "", user: str = "", address: str = "") -> None:
        message = {
            "type": "session.close", "session": session, "user": user, "address": address,
            "code": 4503, "reason": "{}",
        }  # fmt: skip
        self.bus.publish(keys.site_group("demo"), message)


def reader(id: str, user: str, *, moderator: bool = False, site: str = "demo") -> FakeReader:
    made = FakeReader(id, moderator=moderator)
    made.user, made.site = user, site
    return made


async def entered(case: Case, *readers: FakeReader) -> None:
    for each in readers:
        await case.audience.enter(each)


async def test_a_verdict_reaches_all_sessions_of_its_author_and_no_others() -> None:
    case = Case()
    first, second, other = reader("1", "ann"), reader("2", "ann"), reader("3", "bob")
    await entered(case, first, second, other)
    case.verdict("ann")

    assert (first.verdicts, second.verdicts, other.verdicts) == (["public"], ["public"], [])


async def test_a_user_of_the_same_name_at_another_site_hears_nothing() -> None:
    case = Case()
    here, there = reader("1", "ann"), reader("2", "ann", site="blog")
    await entered(case, here, there)
    case.verdict("ann", "blog")

    assert (here.verdicts, there.verdicts) == ([], ["public"])


async def test_an_author_who_is_a_moderator_sees_everything() -> None:
    case = Case()
    moderator = reader("1", "ann", moderator=True)
    await entered(case, moderator)
    case.verdict("ann")

    assert moderator.verdicts == ["full"]


async def test_a_delivered_verdict_leaves_the_mailbox_once_redis_is_there() -> None:
    case = Case()
    await entered(case, reader("1", "ann"))
    case.verdict("ann")
    case.mailboxes.away = True
    with pytest.raises(Overloaded):
        await case.audience.settle()
    case.mailboxes.away = False
    await case.audience.settle()

    assert case.mailboxes.removed == {("demo", "ann", "m1")}


async def test_mail_is_delivered_to_a_session_that_asks() -> None:
    case = Case()
    ann = reader("1", "ann")
    case.mailboxes.mails["demo", "ann"] = [Mail("m1", "public", "full")]
    await case.audience.deliver_mail([ann])

    assert ann.verdicts == ["public"]


async def test_a_verdict_that_the_bus_lost_is_found_in_the_mailbox() -> None:
    case = Case()
    ann = reader("1", "ann")
    await entered(case, ann)
    case.mailboxes.mails["demo", "ann"] = [Mail("m1", "public", "full")]
    ann.waiting = case.clock.ms()
    await case.audience.check()
    assert ann.verdicts == []

    case.clock.now += MAX_WAIT_MS / 1000 + 1
    await case.audience.check()
    assert ann.verdicts == ["public"]


@pytest.mark.parametrize(
    ("asked", "closed"),
    [
        ({"session": "1"}, {"1"}),
        ({"user": "ann"}, {"1", "2"}),
        ({"address": "a2"}, {"2", "3"}),
        ({"user": "ann", "address": "a2"}, {"2"}),
        ({"session": "1", "user": "bob"}, set()),
        ({}, set()),
    ],
)
async def test_kicks_and_bans_close_those_who_are_meant(
    asked: dict[str, str], closed: set[str]
) -> None:
    case = Case()
    readers = [reader("1", "ann"), reader("2", "ann"), reader("3", "bob")]
    for each, address in zip(readers, ("a1", "a2", "a2"), strict=True):
        each.address = address
    await entered(case, *readers)
    case.close(**asked)

    assert {each.id for each in readers if each.closed} == closed


async def test_a_site_is_joined_once_and_left_when_empty() -> None:
    case = Case()
    readers = [reader("1", "ann"), reader("2", "bob")]
    await entered(case, *readers)
    assert case.bus.joins == 1

    for each in readers:
        case.audience.leave(each)
    await case.audience.check()
    assert case.bus.groups == {}


async def test_a_site_that_is_entered_while_another_is_left_stays_joined() -> None:
    case, gate = Case(), asyncio.Event()
    gone = [reader("1", "ann"), reader("2", "ann", site="blog")]
    await entered(case, *gone)
    for each in gone:
        case.audience.leave(each)
    case.bus.gate = gate.wait
    checking = asyncio.create_task(case.audience.check())
    await turns()
    back = reader("3", "ann", site="blog")
    await entered(case, back)
    gate.set()
    await checking
    case.verdict("ann", "blog")

    assert back.verdicts == ["public"]
    assert list(case.bus.groups) == [keys.site_group("blog")]


async def test_a_site_that_cannot_be_joined_is_told_and_tried_again() -> None:
    case = Case()
    ann = reader("1", "ann")
    case.bus.away = True
    with pytest.raises(Overloaded):
        await case.audience.enter(ann)
    case.bus.away = False
    await case.audience.enter(ann)
    case.verdict("ann")

    assert ann.verdicts == ["public"]
