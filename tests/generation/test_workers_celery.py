"""The product's own generation worker, a real Celery process, with a model on another server."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from generation import keys as generation_keys
from generation.generations import FinishReason, Generation, Snapshot
from generation.generations_redis import RedisGenerations
from generation.store import Requester
from inference import connection_redis
from inference.generator import Role, Sampling, Turn
from inference.workers_redis import GENERATORS, live_workers
from policy.messages import Author, new_id
from rtai_project.celery import app
from streams import keys
from tests.generation import model_server
from tests.generation.answers import a_generation
from tests.generation.model_server import DONE, Remote, Script, event
from tests.product import ROOT, Product, running, until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

ADD_MODEL = """
from generation.models import AssistantModelRecord
AssistantModelRecord.objects.create(
    name="far", backend="openai", base_url={url!r}, upstream_model="m", token_timeout_s=30)
"""
ENDLESS = Script(parts=[event("more ")], drip=True)
HELD = Script(parts=[event("more ")], hang="after")
SHORT = Script(parts=[event("Hello"), event(" there."), event(None, "stop"), DONE])


@dataclass
class Place:
    """A product with a generation worker, and the server that its model is on."""

    product: Product
    model: Remote
    generations: RedisGenerations

    @property
    def url(self) -> str:
        return connection_redis.embedded_url(self.product.data_dir)

    async def ask(self, *, times: int = 1, **changes: object) -> Generation:
        """Admits a generation, and dispatches it."""
        now_ms = time.time_ns() // 1_000_000
        times_ms = {"accepted_ms": now_ms, "deadline_ms": now_ms + 60_000}
        generation = a_generation(id=new_id(now_ms), model="far", **times_ms, **changes)
        admitted = await self.generations.admit(generation, Requester("demo", "user-1"))
        assert admitted.fresh
        broker, options = connection_redis.celery_broker(self.url)
        with app.connection_for_write(broker, transport_options=options) as connection:
            for _ in range(times):
                app.send_task(
                    "generation.run", (generation.id,), queue="generation", connection=connection
                )
        return generation

    async def read(self, generation: Generation) -> Snapshot:
        """How it stands."""
        found = await self.generations.read(generation.id)
        assert found is not None
        return found

    async def ended(self, generation: Generation, within_s: float = 60) -> Snapshot:
        """Waits for its end."""
        deadline = time.monotonic() + within_s
        while (found := await self.read(generation)).finish is None:
            assert time.monotonic() < deadline, f"{found.text!r} goes on"
            await asyncio.sleep(0.02)
        return found

    async def growing(self, generation: Generation) -> None:
        """Waits until some of it can be read."""
        deadline = time.monotonic() + 60
        while not (await self.read(generation)).text:
            assert time.monotonic() < deadline, await self.read(generation)
            await asyncio.sleep(0.02)

    def records(self, generation: Generation) -> list[tuple[str, str]]:
        """Stream and text of its verdicts in the database."""
        database = sqlite3.connect(self.product.data_dir / "rtai.sqlite3", timeout=30)
        with contextlib.closing(database):
            query = "SELECT stream, text FROM policy_verdictrecord WHERE id = ?"
            return database.execute(query, (generation.id,)).fetchall()

    def worker_pid(self) -> int:
        """The generation worker's process."""
        (found,) = self.product.children("--hostname generation-1@")
        return found.pid

    def replaced(self, pid: int) -> None:
        """Waits until another process has taken the worker's place, and takes what waits."""
        until(lambda: self._living() not in ([], [pid]), within_s=90)

    def waiting(self) -> int:
        """How many generations no worker has taken."""
        return int(connection_redis.client(self.url).zcard(generation_keys.WAITING))

    def _living(self) -> list[int]:
        workers = live_workers(connection_redis.client(self.url), GENERATORS)
        return [each.description.pid for each in workers]


@pytest.fixture(scope="module")
def running_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Product, Remote]]:
    """One product for all tests, without limits."""
    data_dir = tmp_path_factory.mktemp("generation") / "var"
    with model_server.running() as model, running(data_dir, RTAI_GENERATION_WORKERS="1") as product:
        for command in (
            ["limits", "off", "--all"],
            ["shell", "-c", ADD_MODEL.format(url=model.url)],
        ):
            subprocess.run(
                [sys.executable, "manage.py", *command], cwd=ROOT, env=product.environ, check=True
            )
        valkey = connection_redis.client(connection_redis.embedded_url(data_dir))
        until(lambda: live_workers(valkey, GENERATORS), within_s=90)
        yield product, model


@pytest.fixture
async def place(running_place: tuple[Product, Remote]) -> AsyncIterator[Place]:
    """The product, with this test's own connections."""
    product, model = running_place
    url = connection_redis.embedded_url(product.data_dir)
    yield Place(product, model, RedisGenerations(url))
    await connection_redis.async_client(url).aclose()


async def test_a_worker_process_writes_an_answer_to_its_end(place: Place) -> None:
    place.model.script(SHORT)
    generation = await place.ask(stream="lobby")

    found = await place.ended(generation)

    assert (found.text, found.finish, found.detail) == ("Hello there.", FinishReason.STOP, "")
    client = connection_redis.client(place.url)
    history = str(client.zrange(keys.history("demo", "lobby"), 0, -1))
    assert history.count(generation.id) == 2  # One message, as members and moderators see it.


async def test_a_task_delivered_three_times_is_one_answer(place: Place) -> None:
    before = len(place.model.seen().requests)
    place.model.script(SHORT)

    generation = await place.ask(times=3)
    await place.ended(generation)
    place.model.script(SHORT)
    await place.ended(await place.ask())

    assert len(place.model.seen().requests) == before + 2


async def test_a_worker_needs_no_task(place: Place) -> None:
    place.model.script(SHORT)

    assert (await place.ended(await place.ask(times=0))).finish is FinishReason.STOP


async def test_a_cancelled_answer_leaves_its_upstream(place: Place) -> None:
    gone = place.model.seen().gone
    place.model.script(ENDLESS)
    generation = await place.ask(sampling=Sampling(max_tokens=100_000))
    await place.growing(generation)

    assert await place.generations.cancel(generation.id)
    found = await place.ended(generation)

    assert found.finish is FinishReason.CANCELLED
    assert found.text.startswith("more ")
    until(lambda: place.model.seen().gone == gone + 1)


async def test_a_server_that_never_stops_is_left_when_its_answer_is_too_long(place: Place) -> None:
    gone = place.model.seen().gone
    place.model.script(ENDLESS)

    found = await place.ended(await place.ask(sampling=Sampling(max_tokens=16)))

    assert (found.finish, found.text) == (FinishReason.LENGTH, "more " * 20)
    until(lambda: place.model.seen().gone == gone + 1)


async def test_a_question_that_is_stopped_is_in_the_database(place: Place) -> None:
    before = len(place.model.seen().requests)
    turn = Turn(Role.USER, "I will kill you tonight, you filthy animal.")
    generation = await place.ask(turns=(turn,))

    assert (await place.ended(generation)).finish is FinishReason.BLOCKED

    assert len(place.model.seen().requests) == before
    until(lambda: place.records(generation) == [("", turn.content)])


async def test_one_worker_writes_thirty_two_answers_at_the_same_time(place: Place) -> None:
    place.model.script(*[HELD] * 32)
    asked = [await place.ask() for _ in range(32)]
    for generation in asked:
        await place.growing(generation)
    assert place.model.seen().writing == 32
    place.model.script(SHORT)
    late = await place.ask()

    for generation in asked:
        await place.generations.cancel(generation.id)

    for generation in asked:
        assert (await place.ended(generation)).finish is FinishReason.CANCELLED
    assert (await place.ended(late)).finish is FinishReason.STOP


async def test_a_killed_workers_answer_is_interrupted_and_may_be_asked_again(place: Place) -> None:
    place.model.script(HELD)
    owner = Author("user-9", "Zoe")
    generation = await place.ask(ref="again", owner=owner)
    await place.growing(generation)
    pid = place.worker_pid()

    os.kill(pid, signal.SIGKILL)
    found = await place.ended(generation, within_s=15)

    assert (found.finish, found.code) == (FinishReason.INTERRUPTED, "model_unavailable")
    assert found.text.startswith("more ")
    place.replaced(pid)
    place.model.script(SHORT)
    second = await place.ask(ref="again", owner=owner)
    assert (await place.ended(second)).finish is FinishReason.STOP
    assert place.worker_pid() != pid


async def test_what_no_worker_takes_ends_within_fifteen_seconds(place: Place) -> None:
    pid = place.worker_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        found = await place.ended(await place.ask(), within_s=15)
    finally:
        os.kill(pid, signal.SIGKILL)

    assert (found.finish, found.code) == (FinishReason.INTERRUPTED, "model_unavailable")
    place.replaced(pid)


async def test_a_worker_killed_before_it_took_one_lets_nobody_wait(place: Place) -> None:
    place.model.script(SHORT)
    pid = place.worker_pid()
    os.kill(pid, signal.SIGSTOP)
    generation = await place.ask()
    assert place.waiting() == 1

    os.kill(pid, signal.SIGKILL)
    until(lambda: place.waiting() == 0, within_s=15)

    place.replaced(pid)
    found = await place.ended(generation)
    was_taken = bool(found.text)
    assert was_taken or found.code == "model_unavailable"


async def test_a_worker_asked_to_stop_interrupts_what_it_writes(place: Place) -> None:
    place.model.script(HELD)
    generation = await place.ask()
    await place.growing(generation)
    pid = place.worker_pid()

    os.kill(pid, signal.SIGTERM)
    found = await place.ended(generation)

    assert (found.finish, found.detail) == (
        FinishReason.INTERRUPTED,
        "The worker was shut down.",
    )
    place.replaced(pid)
    place.model.script(SHORT)
    assert (await place.ended(await place.ask())).finish is FinishReason.STOP
