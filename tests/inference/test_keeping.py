"""Keeping something fresh in the background."""

import logging
import threading

import pytest

from inference.keeping import Keeper

WAIT_S = 10


def test_it_is_refreshed_again_and_again_until_it_is_stopped() -> None:
    calls = threading.Semaphore(0)
    keeper = Keeper("test", calls.release, interval_s=0.001)
    before = keeper.running

    keeper.start()
    for _ in range(3):
        assert calls.acquire(timeout=WAIT_S)
    during = keeper.running
    keeper.stop()

    assert (before, during, keeper.running) == (False, True, False)


def test_a_failure_is_told_once_and_the_next_call_comes(caplog: pytest.LogCaptureFixture) -> None:
    calls = threading.Semaphore(0)
    done = threading.Event()
    failures = iter([True, True, True, False, True])

    def refresh() -> None:
        calls.release()
        fails = next(failures, None)
        if fails is None:
            done.set()
        if fails:
            raise RuntimeError("not now")

    keeper = Keeper("test", refresh, interval_s=0.001)
    with caplog.at_level(logging.ERROR):
        keeper.start()
        assert done.wait(WAIT_S)
        keeper.stop()

    assert len([each for each in caplog.records if "fails" in each.message]) == 2


def test_one_that_hangs_is_left_behind() -> None:
    began, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        began.set()
        go_on.wait(WAIT_S)

    keeper = Keeper("test", hang, interval_s=0.001)
    keeper.start()
    assert began.wait(WAIT_S)

    keeper.stop(timeout_s=0.01)

    assert not keeper.running
    go_on.set()


def test_one_that_was_never_started_can_be_stopped() -> None:
    keeper = Keeper("test", lambda: None)

    keeper.stop()

    assert not keeper.running
