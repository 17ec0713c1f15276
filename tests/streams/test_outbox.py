import asyncio

import pytest

from streams.outbox import MAX_JOINED, MAX_JOINED_BYTES, Outbox
from tests.streams.fakes import FakeClock, turns


class Transport:
    """Takes messages while `open` is set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.written: list[str] = []
        self.broken = False

    async def write(self, text: str) -> None:
        await self.open.wait()
        if self.broken:
            raise ConnectionResetError
        self.written.append(text)


class Case:
    def __init__(self, max_bytes: int = 100) -> None:
        self.transport = Transport()
        self.overflows = 0
        self.clock = FakeClock()
        self.outbox = Outbox(
            self.transport.write, self._overflow, clock=self.clock, max_bytes=max_bytes
        )

    def _overflow(self) -> None:
        self.overflows += 1


async def test_frames_leave_in_order_and_joined() -> None:
    case = Case(10_000)
    for number in range(40):
        case.outbox.put(str(number))
    await case.outbox.drained()

    lines = [message.split("\n") for message in case.transport.written]
    assert [len(each) for each in lines] == [MAX_JOINED, MAX_JOINED, 8]
    assert [each for some in lines for each in some] == [str(number) for number in range(40)]
    assert case.outbox.pending_bytes == 0


async def test_an_idle_outbox_has_no_task() -> None:
    before = len(asyncio.all_tasks())
    case = Case()
    case.outbox.put("a")
    await case.outbox.drained()
    await turns()

    assert len(asyncio.all_tasks()) == before


async def test_a_slow_reader_overflows_once_and_gets_no_more() -> None:
    case = Case()
    case.transport.open.clear()
    for _ in range(20):
        case.outbox.put("a" * 30)

    assert case.overflows == 1
    assert case.outbox.closed
    assert case.outbox.pending_bytes <= 130
    case.outbox.discard()


async def test_droppable_frames_replace_each_other_and_go_first() -> None:
    case = Case()
    case.transport.open.clear()
    case.outbox.put("first")
    await turns()
    case.outbox.put_droppable("typing 1", "typing:ann")
    case.outbox.put_droppable("typing 2", "typing:ann")
    case.outbox.put("x" * 60)
    case.outbox.put_droppable("typing 3", "typing:bob")
    case.outbox.put("y" * 30)

    case.transport.open.set()
    await case.outbox.drained()
    assert case.overflows == 0
    assert "\n".join(case.transport.written) == "first\n" + "x" * 60 + "\n" + "y" * 30
    assert case.outbox.dropped == 3


async def test_a_dropped_topic_may_come_again() -> None:
    case = Case()
    case.outbox.put_droppable("a", "topic")
    await case.outbox.drained()
    case.outbox.put_droppable("b", "topic")
    await case.outbox.drained()

    assert case.transport.written == ["a", "b"]


async def test_what_was_sent_is_told_only_then() -> None:
    case = Case()
    told: list[str] = []
    case.transport.open.clear()
    case.outbox.put("verdict", sent=lambda: told.append("verdict"))
    await turns()
    assert told == []

    case.transport.open.set()
    await case.outbox.drained()
    assert told == ["verdict"]


async def test_room_is_waited_for() -> None:
    case = Case()
    case.transport.open.clear()
    case.outbox.put("a" * 80)
    waiting = asyncio.create_task(case.outbox.room())
    await turns()
    assert not waiting.done()

    case.transport.open.set()
    await waiting
    assert case.outbox.pending_bytes == 0


async def test_nobody_waits_for_room_in_a_closed_outbox() -> None:
    case = Case()
    case.transport.open.clear()
    case.outbox.put("a" * 80)
    waiting = asyncio.create_task(case.outbox.room())
    await turns()
    case.outbox.discard()

    await waiting
    assert case.outbox.pending_bytes == 0


async def test_a_stalled_write_is_seen() -> None:
    case = Case()
    case.transport.open.clear()
    case.outbox.put("a")
    await turns()
    assert case.outbox.writing_since == case.clock.now

    case.transport.open.set()
    await case.outbox.drained()
    assert case.outbox.writing_since is None


async def test_a_broken_transport_ends_the_writing() -> None:
    case = Case()
    case.transport.broken = True
    case.outbox.put("a")
    await case.outbox.drained()

    assert case.outbox.closed


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after it waited"])
async def test_the_log_is_told_what_ended_the_writing(
    caplog: pytest.LogCaptureFixture, waits: bool
) -> None:
    async def write(text: str) -> None:
        if waits:
            await asyncio.sleep(0)
        raise RuntimeError("something unheard of")

    outbox = Outbox(write, lambda: None, clock=FakeClock())
    outbox.put("a")
    await outbox.drained()

    assert outbox.closed
    (told,) = caplog.records
    assert (told.levelname, "something unheard of" in caplog.text) == ("WARNING", True)


async def test_a_frame_that_cannot_be_made_is_told_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def make() -> str:
        raise LookupError("no such piece")

    case = Case()
    case.outbox.put_late(make)
    await case.outbox.drained()

    assert case.outbox.closed
    assert "no such piece" in caplog.text


async def test_a_client_that_has_gone_is_no_reason_to_worry(
    caplog: pytest.LogCaptureFixture,
) -> None:
    case = Case()
    case.transport.broken = True
    case.outbox.put("a")
    with caplog.at_level("INFO"):
        await case.outbox.drained()

    assert [each.levelname for each in caplog.records] == ["INFO"]
    assert "ConnectionResetError" in caplog.text


async def test_a_late_frame_is_made_when_its_turn_comes() -> None:
    case, text = Case(10_000), ["a"]
    case.transport.open.clear()
    case.outbox.put("first")
    await turns()
    case.outbox.put_late(lambda: "".join(text))
    assert case.outbox.pending_bytes == len("first")

    text.append("b")
    case.transport.open.set()
    await case.outbox.drained()

    assert case.transport.written == ["first", "ab"]
    assert case.outbox.pending_bytes == 0


async def test_a_late_frame_with_nothing_to_say_is_not_sent() -> None:
    case = Case()
    case.outbox.put_late(str)
    await case.outbox.drained()
    case.outbox.put("a")
    case.outbox.put_late(str)
    case.outbox.put("b")
    await case.outbox.drained()

    assert case.transport.written == ["a\nb"]


async def test_a_late_frame_that_is_long_travels_alone() -> None:
    case = Case(1_000_000)
    long = "x" * MAX_JOINED_BYTES
    for make in (str, lambda: "a", lambda: long, lambda: "b"):
        case.outbox.put_late(make)
    await case.outbox.drained()

    assert case.transport.written == ["a", long, "b"]


async def test_what_is_put_in_one_turn_leaves_together_at_its_end() -> None:
    case = Case()
    case.outbox.put("a")
    case.outbox.put("b")
    assert case.transport.written == []
    await asyncio.sleep(0)
    assert case.transport.written == ["a\nb"]

    case.outbox.put("c")
    await asyncio.sleep(0)
    assert case.transport.written == ["a\nb", "c"]


async def test_a_transport_that_takes_everything_at_once_needs_no_task() -> None:
    before = len(asyncio.all_tasks())
    case = Case()
    case.outbox.put("a")
    await asyncio.sleep(0)

    assert case.transport.written == ["a"]
    assert len(asyncio.all_tasks()) == before
    assert case.outbox.writing_since is None


async def test_what_comes_while_a_write_waits_follows_it_together() -> None:
    case = Case()
    case.transport.open.clear()
    for frame in "abc":
        case.outbox.put(frame)
        await turns()
    case.transport.open.set()
    await case.outbox.drained()

    assert case.transport.written == ["a", "b\nc"]


async def test_a_write_that_fails_after_it_waited_ends_the_writing() -> None:
    failed: list[bool] = []
    case = Case()
    outbox = Outbox(
        case.transport.write, lambda: None, failed=lambda: failed.append(True), clock=case.clock
    )
    case.transport.open.clear()
    case.transport.broken = True
    outbox.put("a")
    outbox.put("b")
    await turns()
    case.transport.open.set()
    await outbox.drained()

    assert (failed, outbox.closed, case.transport.written) == ([True], True, [])


async def test_a_write_that_waits_for_several_things_waits_for_each() -> None:
    steps = [asyncio.Event() for _ in range(3)]
    written: list[str] = []

    async def write(text: str) -> None:
        for step in steps:
            await step.wait()
        written.append(text)

    outbox = Outbox(write, lambda: None, clock=FakeClock())
    outbox.put("a")
    for step in steps:
        await turns()
        assert written == []
        step.set()
    await outbox.drained()

    assert written == ["a"]


async def test_what_is_thrown_into_a_waiting_write_reaches_it() -> None:
    ended: list[str] = []

    async def write(text: str) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append(text)
            raise

    outbox = Outbox(write, lambda: None, clock=FakeClock())
    outbox.put("a")
    await turns()
    outbox.discard()
    await turns()

    assert ended == ["a"]
    assert outbox.writing_since is None
