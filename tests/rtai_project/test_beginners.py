"""A worker is waited for while it begins: not once it has spoken, and not for ever."""

from rtai_project.beginners import Beginners


def test_a_worker_begins_until_it_speaks_and_not_again_when_it_falls_silent() -> None:
    beginners = Beginners()
    assert beginners.observe((), {1, 2}, now=0) == {1, 2}
    assert beginners.observe({1}, {1, 2}, now=1) == {2}
    assert beginners.observe((), {1, 2}, now=2) == {2}


def test_a_worker_that_loads_too_long_is_waited_for_no_more() -> None:
    beginners = Beginners(beginning_s=30)
    beginners.observe((), {1}, now=100)
    assert beginners.observe((), {1}, now=129) == {1}
    assert beginners.observe((), {1}, now=130) == set()


def test_a_worker_that_died_does_not_begin_and_the_next_one_does() -> None:
    beginners = Beginners()
    beginners.observe({1}, {1}, now=0)
    assert beginners.observe((), set(), now=1) == set()
    assert beginners.observe((), {2}, now=40) == {2}


def test_workers_of_others_are_not_waited_for() -> None:
    assert Beginners().observe({7}, set(), now=0) == set()
