"""A worker at the line, which is scripted here."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from inference.batching import work
from inference.errors import Overloaded
from policy.messages import Message
from policy.shifts import BACKLOG_EVERY, SHIFT_S, STAYS_S, Done, Taken, Worker
from tests.builders import a_message

OVER = Taken(is_over=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class ScriptedLine:
    """Gives what it is told to, then nothing more; a wait takes its whole time."""

    clock: Clock
    coming: deque[Taken] = field(default_factory=deque)
    asked: list[tuple[Done, bool, bool]] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    away: bool = False

    def take(self, shift: str, done: Done, *, stays: bool, backlog_first: bool) -> Taken:
        if self.away:
            raise Overloaded("Away.")
        self.asked.append((done, stays, backlog_first))
        if self.coming:
            return self.coming.popleft()
        return Taken() if stays else OVER

    def wait(self, timeout_s: float) -> None:
        self.waits.append(timeout_s)
        self.clock.now += timeout_s

    def leave(self, shift: str) -> None:
        if self.away:
            raise Overloaded("Away.")
        self.left.append(shift)


class Bench:
    """A worker whose judgement of a batch takes `takes_s`."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.line = ScriptedLine(self.clock)
        self.judged: list[Sequence[Message]] = []
        self.late = 0
        self.takes_s = 0.125
        self.fails: Exception | None = None
        self.worker = Worker(self.line, self.judge, self.count, self.clock)

    def judge(self, messages: Sequence[Message]) -> None:
        self.clock.now += self.takes_s
        if self.fails:
            raise self.fails
        self.judged.append(messages)

    def count(self, late: int) -> None:
        self.late += late

    def comes(self, *batches: Taken) -> None:
        self.line.coming.extend(batches)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_batch_after_batch_is_judged_and_then_the_line_is_watched(bench: Bench) -> None:
    batches = [(a_message(),), (a_message(), a_message())]
    bench.comes(*map(Taken, batches))

    assert bench.worker.work("s1")
    assert bench.judged == batches
    assert bench.line.waits == [SHIFT_S - 2 * bench.takes_s]


def test_a_shift_that_finds_nothing_at_first_ends(bench: Bench) -> None:
    assert not bench.worker.work("s1")
    assert bench.line.asked == [(Done(), False, False)]
    assert bench.line.waits == []


def test_a_worker_stays_at_the_line_for_a_while_after_its_last_message(bench: Bench) -> None:
    bench.comes(Taken((a_message(),)))
    began = bench.clock.now
    while bench.worker.work("s1"):
        pass

    assert STAYS_S < bench.clock.now - began < STAYS_S + 2 * SHIFT_S
    assert bench.line.asked[-1][1] is False


def test_a_full_line_is_left_to_the_next_task_after_a_while(bench: Bench) -> None:
    bench.comes(*[Taken((a_message(),))] * 100)

    assert bench.worker.work("s1")
    assert len(bench.judged) == SHIFT_S / bench.takes_s
    assert bench.line.waits == []


def test_what_was_done_is_told_when_more_is_taken(bench: Bench) -> None:
    messages = (a_message(text="word " * 100), a_message())
    bench.takes_s = SHIFT_S
    bench.comes(Taken(messages))
    bench.worker.work("s1")
    bench.worker.work("s1")

    told = [done for done, _, _ in bench.line.asked]
    assert told[:2] == [Done(), Done(sum(work(each.text) for each in messages), SHIFT_S)]
    assert set(told[2:]) <= {Done()}


def test_one_batch_in_so_many_takes_the_backlog_first(bench: Bench) -> None:
    bench.takes_s = 0.0
    bench.comes(*[Taken((a_message(),))] * (2 * BACKLOG_EVERY - 1), OVER)
    bench.worker.work("s1")

    first = [backlog_first for _, _, backlog_first in bench.line.asked]
    assert first == ([False] * (BACKLOG_EVERY - 1) + [True]) * 2


def test_what_came_too_late_is_counted(bench: Bench) -> None:
    bench.comes(Taken((a_message(),), late=2), Taken(late=3))
    bench.worker.work("s1")

    assert bench.late == 5


def test_a_worker_that_closes_ends_after_the_batch_under_way(bench: Bench) -> None:
    bench.comes(*[Taken((a_message(),))] * 2)
    bench.worker = Worker(bench.line, bench.judge, lambda _: bench.worker.close(), bench.clock)

    assert not bench.worker.work("s1")
    assert len(bench.judged) == 1
    assert bench.line.left == ["s1"]
    assert not bench.worker.work("s2")
    assert len(bench.line.asked) == 1


def test_a_batch_that_fails_ends_the_shift_and_is_told(bench: Bench) -> None:
    bench.comes(Taken((a_message(),)))
    bench.fails = RuntimeError("no policy")

    with pytest.raises(RuntimeError, match="no policy"):
        bench.worker.work("s1")
    assert bench.line.left == ["s1"]


def test_a_line_that_is_away_ends_the_shift(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.line.away = True

    assert not bench.worker.work("s1")
    assert "A shift ends" in caplog.text
    bench.worker.close()
    assert not bench.worker.work("s1")
    assert "left to its lease" in caplog.text
