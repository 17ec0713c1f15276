"""From accepted messages to tasks."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from policy.dispatch_celery import Dispatcher
from tests.builders import a_message


class FakeTask:
    """Takes tasks, or refuses them like a broker that is away."""

    def __init__(self) -> None:
        self.sent: list[list[str]] = []
        self.batches: list[str] = []
        self.away = False

    def apply_async(self, args: tuple[str, str, list[str]], **_: Any) -> None:
        if self.away:
            raise OperationalError("Connection refused.")
        self.batches.append(args[1])
        self.sent.append(args[2])


class Vouched(list[str]):
    def __call__(self, ids: list[str]) -> None:
        self.extend(ids)


@pytest.fixture
def task() -> FakeTask:
    return FakeTask()


@pytest.fixture
def vouched() -> Vouched:
    return Vouched()


@pytest.fixture
async def dispatcher(task: FakeTask, vouched: Vouched) -> AsyncIterator[Dispatcher]:
    made = Dispatcher("g1", task, vouched, lambda: 1)
    await made.start()
    yield made
    await made.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_message_is_sent_at_once(dispatcher: Dispatcher, task: FakeTask) -> None:
    message = a_message()
    dispatcher.put(message)
    await until(lambda: task.sent)

    assert task.sent == [[message.id]]


async def test_messages_gather_until_the_batch_is_done(
    dispatcher: Dispatcher, task: FakeTask
) -> None:
    messages = [a_message() for _ in range(4)]
    dispatcher.put(messages[0])
    await until(lambda: task.sent)
    for message in messages[1:]:
        dispatcher.put(message)
    assert dispatcher.waiting == 3

    dispatcher.batch_done(task.batches[0])
    await until(lambda: len(task.sent) == 2)

    assert task.sent[1] == [message.id for message in messages[1:]]


async def test_what_waits_is_vouched_for(
    dispatcher: Dispatcher, task: FakeTask, vouched: Vouched
) -> None:
    first, second = a_message(), a_message()
    dispatcher.put(first)
    await until(lambda: task.sent)
    dispatcher.put(second)
    await until(lambda: second.id in vouched)

    assert task.sent == [[first.id]]


async def test_a_message_past_its_deadline_is_left_to_the_sweeper(
    dispatcher: Dispatcher, task: FakeTask
) -> None:
    late = a_message(deadline_ms=1)
    dispatcher.put(late)
    dispatcher.put(in_time := a_message())
    await until(lambda: task.sent)

    assert task.sent == [[in_time.id]]
    assert dispatcher.waiting == 0


async def test_what_was_redispatched_waits_behind_what_is_live(
    dispatcher: Dispatcher, task: FakeTask
) -> None:
    first, orphan, live = a_message(), a_message(), a_message()
    dispatcher.put(first)
    await until(lambda: task.sent)
    dispatcher.put(orphan, backlog=True)
    dispatcher.put(live)
    dispatcher.batch_done(task.batches[0])
    await until(lambda: len(task.sent) == 2)

    assert task.sent[1] == [live.id, orphan.id]


async def test_a_broker_that_is_away_loses_nothing(
    dispatcher: Dispatcher, task: FakeTask, caplog: pytest.LogCaptureFixture
) -> None:
    task.away = True
    messages = [a_message() for _ in range(3)]
    for message in messages:
        dispatcher.put(message)
    await until(lambda: "broker is away" in caplog.text)
    task.away = False
    await until(lambda: task.sent)

    assert task.sent == [[message.id for message in messages]]
