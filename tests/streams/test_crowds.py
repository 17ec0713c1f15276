"""What is told of streams with too many users to name."""

from typing import Any

import pytest

from streams.crowds import Crowds
from streams.hub import Hub
from streams.presence import MAX_NAMED, People
from tests.streams.fakes import LOBBY, FakeBus, FakeHistory, FakePresences, FakeReader


class Case:
    """A hub with readers, and a stream of as many users as a test says."""

    def __init__(self) -> None:
        self.hub = Hub(FakeBus(), FakeHistory())
        self.presences = FakePresences()
        self.sent = 0
        self.crowds = Crowds(self.hub, self, self._count)
        self.people: People = (0, ())

    def _count(self, kind: str, count: int) -> None:
        assert kind == "presence"
        self.sent += count

    async def join(self, *_: object) -> None: ...

    async def leave(self, *_: object) -> None: ...

    async def of(self, site: str, stream: str) -> People:
        return self.people

    def users(self, count: int) -> None:
        named = tuple((f"u{number}", "Ann") for number in range(count))
        self.people = (count, named if count <= MAX_NAMED else None)

    async def reader(self, id: str, *, asks: bool) -> FakeReader:
        reader = FakeReader(id)
        await self.hub.subscribe(reader, LOBBY, None, 0, lambda at, ok: '{"type":"subscribed"}')
        found = self.hub.subscription(id, "demo", "lobby")
        assert found is not None
        found.wants_presence = asks
        return reader


async def presence(reader: FakeReader) -> list[dict[str, Any]]:
    return [frame for frame in await reader.settled() if frame["type"] == "presence"]


@pytest.fixture
def case() -> Case:
    return Case()


async def test_who_asked_is_told_how_many_there_are_and_nobody_else(case: Case) -> None:
    asker, other = await case.reader("a", asks=True), await case.reader("b", asks=False)
    case.users(MAX_NAMED + 1)
    await case.crowds.check()

    assert await presence(asker) == [{"type": "presence", "stream": "lobby", "count": 101}]
    assert await presence(other) == []
    assert case.sent == 1


async def test_a_thousand_joins_between_two_checks_are_one_frame_for_each_asker(case: Case) -> None:
    askers = [await case.reader(str(number), asks=True) for number in range(50)]
    for count in range(1_000):
        case.users(count)
    await case.crowds.check()
    await case.crowds.check()

    assert case.sent == 50
    assert [len(await presence(asker)) for asker in askers] == [1] * 50


async def test_a_count_that_did_not_change_is_not_told_again(case: Case) -> None:
    asker = await case.reader("a", asks=True)
    for count in (150, 150, 151, 151):
        case.users(count)
        await case.crowds.check()
        await asker.settled()

    assert [frame["count"] for frame in await presence(asker)] == [150, 151]


async def test_all_are_named_again_once_they_are_few_enough(case: Case) -> None:
    asker = await case.reader("a", asks=True)
    for count in (101, 2, 2, 3):
        case.users(count)
        await case.crowds.check()
        await asker.settled()
    _, named = await presence(asker)

    assert [user["id"] for user in named["users"]] == ["u0", "u1"]


async def test_a_stream_with_few_users_is_left_to_joined_and_left(case: Case) -> None:
    asker = await case.reader("a", asks=True)
    case.users(3)
    await case.crowds.check()

    assert await presence(asker) == []


async def test_a_stream_without_askers_is_forgotten(case: Case) -> None:
    asker = await case.reader("a", asks=True)
    case.users(200)
    await case.crowds.check()
    case.hub.unsubscribe("a", "demo", "lobby")
    await case.crowds.check()
    again = await case.reader("b", asks=True)
    await case.crowds.check()

    assert len(await presence(asker)) == 1
    assert len(await presence(again)) == 1
