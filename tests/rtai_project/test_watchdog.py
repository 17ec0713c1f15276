"""A worker is killed when it is silent or stuck, never on suspicion."""

from rtai_project.watchdog import Beat, Watchdog


def test_a_worker_that_never_spoke_is_left_alone() -> None:
    watchdog = Watchdog(stuck_s=30)
    assert watchdog.observe({}, {1}, now=0) == {}
    assert watchdog.observe({}, {1}, now=1000) == {}


def test_a_worker_that_falls_silent_is_killed_after_30_seconds() -> None:
    watchdog = Watchdog(stuck_s=30)
    watchdog.observe({1: Beat(1000, 0)}, {1}, now=0)
    assert watchdog.observe({}, {1}, now=29) == {}
    assert watchdog.observe({}, {1}, now=30) == {1: "it has been silent for 30 s"}


def test_a_heartbeat_that_stands_still_counts_as_silence() -> None:
    watchdog = Watchdog(stuck_s=30)
    for now in (0, 15, 29):
        assert watchdog.observe({1: Beat(1000, 0)}, {1}, now=now) == {}
    assert 1 in watchdog.observe({1: Beat(1000, 0)}, {1}, now=30)


def test_a_worker_stuck_in_one_task_is_killed() -> None:
    watchdog = Watchdog(stuck_s=30)
    assert watchdog.observe({1: Beat(1000, 29.9)}, {1}, now=0) == {}
    found = watchdog.observe({1: Beat(2000, 30.0)}, {1}, now=1)
    assert found == {1: "it has been busy with one task for 30 s"}


def test_workers_of_others_are_not_judged() -> None:
    assert Watchdog(stuck_s=30).observe({2: Beat(1000, 99)}, {1}, now=0) == {}


def test_silence_while_redis_was_away_proves_nothing() -> None:
    watchdog = Watchdog(stuck_s=30)
    watchdog.observe({1: Beat(1000, 0)}, {1}, now=0)
    watchdog.forget()
    assert watchdog.observe({}, {1}, now=100) == {}
