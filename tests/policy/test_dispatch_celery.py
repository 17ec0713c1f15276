"""Calling workers to the line."""

from typing import Any

import pytest
from kombu.exceptions import OperationalError

from policy.dispatch_celery import Calls, call
from tests.product import until


class FakeTask:
    """Takes tasks, or refuses them like a broker that is away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, ...]] = []
        self.away = False

    def apply_async(self, args: tuple[str, ...], **_: Any) -> None:
        if self.away:
            raise OperationalError("Connection refused.")
        self.sent.append(args)


def test_a_task_names_the_shift() -> None:
    task = FakeTask()
    calls = Calls(task)
    calls("s1")
    calls("s2")
    until(lambda: len(task.sent) == 2, 10, "both calls")
    calls.stop()

    assert task.sent == [("s1",), ("s2",)]


def test_a_broker_that_is_away_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    task = FakeTask()
    task.away = True
    call(task, "s1")

    assert "the broker is away" in caplog.text
    task.away = False
    call(task, "s2")
    assert task.sent == [("s2",)]
