"""A worker takes what waits into threads of its own, as far as there is room."""

import threading
from collections.abc import Sequence

import pytest
import redis

from generation import keys
from generation.generations import FinishReason, Generation, Status
from generation.generations_redis import RedisGenerations
from generation.taking import MOST, Taker
from generation.work_redis import RedisWork
from inference.errors import Overloaded
from tests.generation.answers import a_generation, a_visitor
from tests.generation.scripted import Step, Worker
from tests.product import until


async def ask(generations: RedisGenerations, count: int) -> list[Generation]:
    """So many generations that wait, in the order in which they are due."""
    asked = [a_generation(deadline_ms=4_000_000_000_000 + n) for n in range(count)]
    for each in asked:
        assert (await generations.admit(each, a_visitor())).fresh
    return asked


def a_taker(worker: Worker, room: int) -> Taker:
    taker = Taker("w", worker.work, worker.runner.write, lambda: worker.leases.draining)
    taker.open(room)
    return taker


def texts(valkey: redis.Redis, asked: Sequence[Generation]) -> list[object]:
    return [valkey.get(keys.text(each.id)) for each in asked]


def a_held_worker(valkey: redis.Redis, *rest: Step) -> tuple[Worker, threading.Event]:
    """Its answers wait behind their first word."""
    hold = threading.Event()
    return Worker(valkey, "One", hold, *rest), hold


async def test_a_crowd_is_written_at_the_same_time(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker, hold = a_held_worker(valkey, " two.")
    asked = await ask(generations, MOST + 2)
    taker = a_taker(worker, 32)

    taker.look()
    assert len(valkey.zrange(keys.WAITING, 0, -1)) == 2
    taker.look()
    until(lambda: texts(valkey, asked) == ["One"] * len(asked))
    hold.set()
    taker.stop()

    assert texts(valkey, asked) == ["One two."] * len(asked)


async def test_no_more_are_written_than_there_is_room_for(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker, hold = a_held_worker(valkey)
    asked = await ask(generations, 4)
    taker = a_taker(worker, 2)

    taker.look()
    until(lambda: texts(valkey, asked) == ["One", "One", None, None])
    taker.look()
    taker.run(asked[2].id)
    assert texts(valkey, asked[2:]) == [None, None]
    assert valkey.zcard(keys.WAITING) == 2

    hold.set()
    while valkey.zcard(keys.WAITING):
        taker.look()
    taker.stop()
    assert texts(valkey, asked) == ["One"] * 4


async def test_a_nudge_writes_what_it_names_here_and_now(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, "Me")
    taker = a_taker(worker, 1)
    first, second = await ask(generations, 2)

    for _ in range(2):
        taker.run(second.id)

    found = await generations.read(second.id)
    assert found is not None
    assert found.finish is FinishReason.STOP
    waits = await generations.read(first.id)
    assert waits is not None
    assert waits.status is Status.WAITING
    assert len(worker.notes.endings) == 1


async def test_a_taker_hears_of_what_comes_and_ends_when_its_worker_drains(
    valkey: redis.Redis, generations: RedisGenerations
) -> None:
    worker = Worker(valkey, "Me")
    taker = a_taker(worker, 4)
    taker.start()
    until(lambda: valkey.zcard(keys.IDLE))

    for _ in range(3):
        [asked] = await ask(generations, 1)
        until(lambda: texts(valkey, [asked]) == ["Me"])  # noqa: B023
    worker.leases.drain()
    taker.stop()

    assert not valkey.exists(keys.IDLE, keys.TAKERS)
    await ask(generations, 1)
    taker.run(asked.id)
    assert valkey.zcard(keys.WAITING) == 1


async def test_an_answer_that_fails_gives_its_place_back(
    valkey: redis.Redis, generations: RedisGenerations, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[str] = []

    def fails(generation: Generation) -> None:
        begun.append(generation.id)
        raise ZeroDivisionError

    taker = Taker("w", RedisWork(valkey), fails, lambda: False)
    taker.open(1)
    asked = await ask(generations, 2)

    for _ in asked:
        taker.look()
    taker.stop()

    assert begun == [each.id for each in asked]
    assert caplog.text.count("A generation was left") == 2


async def test_a_redis_that_is_away_costs_no_room(
    valkey: redis.Redis, generations: RedisGenerations, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(valkey, "Me")
    taker = a_taker(worker, 1)
    asked = await ask(generations, 1)

    def away(taker: str, most: int) -> Sequence[Generation]:
        raise Overloaded("Away.")

    with monkeypatch.context() as patched:
        patched.setattr(worker.work, "take", away)
        for _ in range(2):
            with pytest.raises(Overloaded):
                taker.look()
    taker.look()
    taker.stop()

    assert texts(valkey, asked) == ["Me"]


async def test_a_taker_goes_on_when_redis_is_back(
    valkey: redis.Redis, generations: RedisGenerations, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Worker(valkey, "Me")
    take, troubles = worker.work.take, [Overloaded("Away."), ValueError("Nonsense.")]

    def troubled(taker: str, most: int) -> Sequence[Generation]:
        if troubles:
            raise troubles.pop()
        return take(taker, most)

    monkeypatch.setattr(worker.work, "take", troubled)
    paused: list[float] = []
    draining = lambda: worker.leases.draining  # noqa: E731
    taker = Taker("w", worker.work, worker.runner.write, draining, paused.append)
    taker.open(1)
    asked = await ask(generations, 1)

    taker.start()
    until(lambda: texts(valkey, asked) == ["Me"])
    worker.leases.drain()
    taker.stop()

    assert len(paused) == 2
