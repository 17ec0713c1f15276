"""What was decided is told in a thread of its own."""

import logging
import threading
from collections.abc import Iterator

import pytest

from policy.announcing import Announcer


@pytest.fixture
def started() -> Iterator[Announcer]:
    """One with its own thread."""
    announcer = Announcer()
    announcer.start()
    yield announcer
    announcer.stop()


def test_without_a_thread_a_step_is_over_when_run_returns() -> None:
    ran_in: list[threading.Thread] = []

    Announcer().run(lambda: ran_in.append(threading.current_thread()))

    assert ran_in == [threading.current_thread()]


def test_without_a_thread_whoever_runs_a_step_hears_that_it_failed() -> None:
    def fail() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        Announcer().run(fail)


def test_a_step_does_not_hold_up_whoever_hands_it_over(started: Announcer) -> None:
    may_end, ran = threading.Event(), list[int]()

    started.run(lambda: ran.append(1) if may_end.wait(30) else None)

    assert ran == []
    may_end.set()
    started.stop()
    assert ran == [1]


def test_the_next_step_is_handed_over_when_the_one_before_has_ended(started: Announcer) -> None:
    may_end, ran = threading.Event(), list[int]()
    started.run(lambda: ran.append(1) if may_end.wait(30) else None)
    second = threading.Thread(target=lambda: started.run(lambda: ran.append(2)))

    second.start()
    second.join(0.1)
    assert second.is_alive()
    may_end.set()
    second.join(30)
    started.stop()

    assert ran == [1, 2]


def test_a_step_that_fails_is_logged_and_the_next_one_runs(
    started: Announcer, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ConnectionError("away")

    ran: list[int] = []
    with caplog.at_level(logging.ERROR):
        started.run(fail)
        started.run(lambda: ran.append(1))
        started.stop()

    assert ran == [1]
    assert "away" in caplog.text


def test_after_the_stop_a_step_runs_where_it_is_handed_over(started: Announcer) -> None:
    ran: list[int] = []

    started.stop()
    started.run(lambda: ran.append(1))

    assert ran == [1]
