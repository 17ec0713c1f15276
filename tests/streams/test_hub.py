import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import Overloaded
from streams.frames import Position
from streams.history import Published
from streams.hub import Hub
from tests.streams.fakes import LOBBY, FakeBus, FakeHistory, FakeReader, lobby_group, turns


class Case:
    """A hub between a bus and a history in memory."""

    def __init__(self) -> None:
        self.bus = FakeBus()
        self.history = FakeHistory()
        self.hub = Hub(self.bus, self.history)
        self.bus.receive = lambda source, message: self.hub.receive(message)

    def publish(self, *, lost: bool = False) -> None:
        message = self.history.publish()
        if not lost:
            self.bus.publish(lobby_group(), message)

    async def subscribe(
        self, reader: FakeReader, since: Position | None = None, recent: int = 0
    ) -> None:
        def answer(at: Position, recovered: bool) -> str:
            word = "true" if recovered else "false"
            return f'{{"type":"subscribed","offset":{at.offset},"recovered":{word}}}'

        await self.hub.subscribe(reader, LOBBY, since, recent, answer)


def offsets(got: list[dict[str, Any]]) -> list[int]:
    return [frame["offset"] for frame in got if frame["type"] == "message"]


@pytest.fixture
def case() -> Case:
    return Case()


async def test_a_new_subscriber_hears_of_what_comes_after(case: Case) -> None:
    reader = FakeReader()
    case.publish()
    await case.subscribe(reader)
    case.publish()

    got = await reader.settled()
    assert got[0] == {"type": "subscribed", "offset": 1, "recovered": True}
    assert offsets(got) == [2]


async def test_recent_frames_come_after_the_answer(case: Case) -> None:
    reader = FakeReader()
    for _ in range(5):
        case.publish()
    await case.subscribe(reader, recent=3)

    assert offsets(await reader.settled()) == [3, 4, 5]


async def test_missed_frames_come_in_order_before_live_ones(case: Case) -> None:
    reader = FakeReader()
    for _ in range(5):
        case.publish()
    await case.subscribe(reader, Position("e1", 2))
    case.publish()

    got = await reader.settled()
    assert got[0]["recovered"]
    assert offsets(got) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    "since", [Position("other", 1), Position("", 0), Position("e1", 99), Position("e1", 2**62)]
)
async def test_a_foreign_epoch_or_a_future_offset_is_not_recovered(
    case: Case, since: Position
) -> None:
    reader = FakeReader()
    for _ in range(3):
        case.publish()
    await case.subscribe(reader, since)
    case.publish()

    got = await reader.settled()
    assert got[0] == {"type": "subscribed", "offset": 3, "recovered": False}
    assert offsets(got) == [4]


async def test_recovery_is_all_or_nothing(case: Case) -> None:
    reader = FakeReader()
    for _ in range(5):
        case.publish()
    case.history.forget(3)
    await case.subscribe(reader, Position("e1", 2))

    got = await reader.settled()
    assert not got[0]["recovered"]
    assert offsets(got) == []


async def test_frames_published_while_history_is_read_are_neither_lost_nor_doubled(
    case: Case,
) -> None:
    reader, gate = FakeReader(), asyncio.Event()
    await case.subscribe(FakeReader("first"))
    case.publish()
    case.history.gate = gate.wait
    subscribing = asyncio.create_task(case.subscribe(reader, Position("e1", 0)))
    await turns()
    case.publish()
    case.publish()
    gate.set()
    await subscribing
    case.publish()

    assert offsets(await reader.settled()) == [1, 2, 3, 4]


async def test_a_gap_is_filled_once_for_all_readers(case: Case) -> None:
    readers = [FakeReader(str(number)) for number in range(3)]
    for reader in readers:
        await case.subscribe(reader)
    case.publish()
    case.publish(lost=True)
    case.publish(lost=True)
    reads = case.history.reads
    case.publish()
    await turns()

    for reader in readers:
        assert offsets(await reader.settled()) == [1, 2, 3, 4]
    assert case.history.reads == reads + 1


async def test_the_loss_of_the_last_frame_is_noticed(case: Case) -> None:
    reader = FakeReader()
    await case.subscribe(reader)
    case.publish(lost=True)
    await case.hub.check()
    await turns()

    assert offsets(await reader.settled()) == [1]


async def test_a_read_that_the_bus_has_overtaken_costs_nobody_the_connection(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, gate = FakeReader(), asyncio.Event()
    await case.subscribe(reader)
    late = case.history.publish()
    stale = await case.history.since(LOBBY, 0)

    async def old_read(*_: Any) -> Any:
        await gate.wait()
        return stale

    monkeypatch.setattr(case.history, "since", old_read)
    await case.hub.check()
    await turns()
    case.bus.publish(lobby_group(), late)
    case.publish()
    gate.set()
    await turns()
    case.publish()

    assert reader.closed is None
    assert offsets(await reader.settled()) == [1, 2, 3]


async def test_a_gap_that_history_cannot_fill_ends_the_connections(case: Case) -> None:
    reader = FakeReader()
    await case.subscribe(reader)
    case.publish(lost=True)
    case.history.forget(1)
    case.publish()
    await turns()

    assert reader.closed is not None
    assert reader.closed.code == 4010


async def test_a_new_epoch_ends_the_connections(case: Case) -> None:
    reader = FakeReader()
    case.publish()
    await case.subscribe(reader)
    case.history.wipe("e2")
    case.publish()

    assert reader.closed is not None
    again = FakeReader("again")
    await case.subscribe(again, Position("e1", 1))
    assert not (await again.settled())[0]["recovered"]


async def test_a_history_that_went_back_gets_a_new_epoch(case: Case) -> None:
    reader = FakeReader()
    for _ in range(3):
        case.publish()
    await case.subscribe(reader)
    case.history.offset = 1
    await case.hub.check()
    await case.hub.check()

    assert reader.closed is not None
    assert case.history.epoch == "e1+"


async def test_a_process_joins_a_stream_once_and_leaves_it_when_idle(case: Case) -> None:
    for number in range(5):
        await case.subscribe(FakeReader(str(number)))
    assert case.bus.joins == 1

    for number in range(5):
        case.hub.unsubscribe(str(number), "demo", "lobby")
    await case.hub.check()
    assert case.bus.groups == {}

    reader = FakeReader()
    await case.subscribe(reader)
    case.publish()
    assert offsets(await reader.settled()) == [1]


async def test_identical_reads_are_shared(case: Case) -> None:
    await case.subscribe(FakeReader("first"))
    gate = asyncio.Event()
    case.history.gate = gate.wait
    reads = case.history.reads
    storm = [asyncio.create_task(case.subscribe(FakeReader(str(n)))) for n in range(50)]
    await turns()
    gate.set()
    await asyncio.gather(*storm)

    assert case.history.reads == reads + 1


async def test_a_shared_read_that_is_too_old_is_read_again(case: Case) -> None:
    early, late, gate = FakeReader("early"), FakeReader("late"), asyncio.Event()
    await case.subscribe(FakeReader("first"))
    stale = await case.history.recent(LOBBY, 0)

    async def old_read(*_: Any) -> Any:
        await gate.wait()
        return stale

    recent, case.history.recent = case.history.recent, old_read  # type: ignore[method-assign, assignment]
    first = asyncio.create_task(case.subscribe(early))
    await turns()
    case.publish()
    second = asyncio.create_task(case.subscribe(late))
    await turns()
    case.history.recent = recent  # type: ignore[method-assign]
    gate.set()
    await asyncio.gather(first, second)
    case.publish()

    assert offsets(await early.settled()) == [1, 2]
    assert offsets(await late.settled()) == [2]


async def test_a_failed_subscription_is_undone_and_may_be_tried_again(case: Case) -> None:
    reader = FakeReader()
    case.history.away = True
    with pytest.raises(Overloaded):
        await case.subscribe(reader)
    case.history.away = False
    await case.subscribe(reader)
    case.publish()

    got = await reader.settled()
    assert [frame["type"] for frame in got] == ["subscribed", "message"]


async def test_a_bus_that_is_away_is_told(case: Case) -> None:
    case.bus.away = True
    with pytest.raises(Overloaded):
        await case.subscribe(FakeReader())
    case.bus.away = False
    await case.subscribe(FakeReader())


async def test_a_gap_is_filled_once_history_is_back(case: Case) -> None:
    reader = FakeReader()
    await case.subscribe(reader)
    case.publish(lost=True)
    case.history.away = True
    case.publish()
    await turns()
    case.history.away = False
    async with asyncio.timeout(5):
        while len(reader.got) < 3:
            await asyncio.sleep(0.01)

    assert offsets(reader.got) == [1, 2]


async def test_moderators_get_their_own_variant(case: Case) -> None:
    member, moderator = FakeReader("member"), FakeReader("moderator", moderator=True)
    await case.subscribe(member)
    await case.subscribe(moderator)
    message = dict(case.history.publish())
    message["moderator_frame"] = '{"type":"message","offset":1,"scores":{}}'
    case.bus.publish(lobby_group(), message)

    assert "scores" not in (await member.settled())[1]
    assert "scores" in (await moderator.settled())[1]


async def test_events_carry_no_offset_and_skip_their_session(case: Case) -> None:
    sender, other = FakeReader("sender"), FakeReader("other")
    for reader in (sender, other):
        await case.subscribe(reader)
    event = {
        "type": "stream.event", "stream": "demo/lobby", "kind": "typing", "user": "u",
        "session": "sender", "frame": '{"type":"typing"}',
    }  # fmt: skip
    case.bus.publish(lobby_group(), event)

    assert (await other.settled())[1:] == [{"type": "typing"}]
    assert (await sender.settled())[1:] == []


async def test_joined_and_left_go_to_those_who_asked(case: Case) -> None:
    asked, did_not = FakeReader("asked"), FakeReader("not")
    for reader in (asked, did_not):
        await case.subscribe(reader)
    found = case.hub.subscription("asked", "demo", "lobby")
    assert found is not None
    found.wants_presence = True
    event = {
        "type": "stream.event", "stream": "demo/lobby", "kind": "joined", "user": "u",
        "frame": '{"type":"joined"}',
    }  # fmt: skip
    case.bus.publish(lobby_group(), event)

    assert (await asked.settled())[1:] == [{"type": "joined"}]
    assert (await did_not.settled())[1:] == []


class Visitor:
    """A client that reconnects with its last position and keeps what it has."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.position: Position | None = None
        self.seen: list[tuple[str, int]] = []
        self.reader: FakeReader | None = None
        self.unrecovered = 0

    async def reconnect(self) -> None:
        await self.leave()
        self.reader = FakeReader()
        await self.case.subscribe(self.reader, self.position)

    async def leave(self) -> None:
        if self.reader is None:
            return
        self.case.hub.unsubscribe(self.reader.id, "demo", "lobby")
        await self.apply()
        self.reader = None

    async def take(self, step: str) -> None:
        match step:
            case "publish" | "lose":
                self.case.publish(lost=step == "lose")
            case "reconnect":
                await self.reconnect()
            case "leave":
                await self.leave()
            case "forget":
                self.case.history.forget(1)

    async def apply(self) -> None:
        assert self.reader is not None
        got = await self.reader.settled()
        for frame in got:
            if frame["type"] == "subscribed" and (self.position is None or not frame["recovered"]):
                self.unrecovered += self.position is not None
                self.position = Position(self.case.history.epoch, frame["offset"])
                self.seen = []
            elif frame["type"] == "message":
                assert self.position is not None
                assert frame["offset"] == self.position.offset + 1, "a hole or a double"
                self.position = Position(frame["epoch"], frame["offset"])
                self.seen.append((frame["epoch"], frame["offset"]))
        got.clear()


STEPS = st.lists(
    st.sampled_from(["publish", "publish", "lose", "reconnect", "leave", "wait", "forget"]),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_whatever_is_lost_a_visitor_ends_with_the_streams_state_or_knows_better(
    steps: list[str],
) -> None:
    asyncio.run(_visit(steps))


async def _visit(steps: list[str]) -> None:
    case = Case()
    visitor = Visitor(case)
    await visitor.reconnect()
    for step in steps:
        await visitor.take(step)
        await turns(5)
    if visitor.reader is None or visitor.reader.closed is not None:
        await visitor.reconnect()
    case.publish()
    await turns()
    await visitor.apply()
    if visitor.reader is not None and visitor.reader.closed is not None:
        await visitor.reconnect()
        await visitor.apply()
    assert visitor.position == Position(case.history.epoch, case.history.offset)


async def test_frames_that_arrive_out_of_order_are_put_in_order(case: Case) -> None:
    reader = FakeReader()
    await case.subscribe(reader)
    messages = [case.history.publish() for _ in range(4)]
    for index in (1, 0, 0, 3, 2):
        case.bus.publish(lobby_group(), messages[index])
    await turns()

    assert offsets(await reader.settled()) == [1, 2, 3, 4]


def test_published_frames_have_a_variant_for_each_kind_of_reader() -> None:
    assert Published(1, "a").seen_by(moderator=True) == "a"
    assert Published(1, "a", "b").seen_by(moderator=True) == "b"
    assert Published(1, "a", "b").seen_by(moderator=False) == "a"
