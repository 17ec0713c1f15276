"""Valkey dies and comes back while an answer is written: no character is lost, doubled or moved."""

import contextlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from generation import keys
from generation.generations import FinishReason
from generation.generations_redis import RedisGenerations
from inference import connection_redis
from rtai_project import server_valkey
from tests.generation.answers import a_generation, a_visitor
from tests.generation.scripted import Step, Worker
from tests.product import until

WORDS = [f"word-{n} " for n in range(60)]


class Server:
    """A Valkey of this test alone, which keeps its log of writes as the product's does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "v.sock"
        self.url = f"unix://{self.socket}?db=0"
        self.client = connection_redis.client(self.url)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, with what its log says."""
        command = server_valkey.program(self.folder, self.socket).command
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(lambda: server_valkey.is_ready(self.socket))

    def kill(self) -> None:
        """Ends it without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def lose_the_last_second(self, generation_id: str, length: int) -> None:
        """As if the last appends had not reached the log."""
        text = str(self.client.get(keys.text(generation_id)))[:length]
        self.client.set(keys.text(generation_id), text)
        self.client.hset(keys.generation(generation_id), "length", str(length))


@pytest.fixture
def server() -> Iterator[Server]:
    """Started; its socket needs a short path."""
    made = Server(Path(tempfile.mkdtemp(prefix="rtai-v-")))
    made.start()
    yield made
    with contextlib.suppress(redis.RedisError):
        made.client.close()
    made.kill()
    shutil.rmtree(made.folder)


@pytest.fixture
async def generations(server: Server) -> AsyncIterator[RedisGenerations]:
    """What a gateway sees of it."""
    yield RedisGenerations(server.url)
    await connection_redis.async_client(server.url).aclose()


async def test_an_answer_outlives_a_killed_valkey_letter_by_letter(
    server: Server, generations: RedisGenerations
) -> None:
    holds = [threading.Event() for _ in WORDS]
    steps: list[Step] = []
    for word, hold in zip(WORDS, holds, strict=True):
        steps += [word, hold]
    worker = Worker(server.client, *steps)
    generation = a_generation()
    await generations.admit(generation, a_visitor())
    thread = worker.begin(generation.id)
    for hold in holds[:20]:
        hold.set()
    until(lambda: "word-19" in str(server.client.get(keys.text(generation.id))))

    server.kill()
    for hold in holds[20:40]:
        hold.set()
    server.start()
    server.lose_the_last_second(generation.id, len("".join(WORDS[:15])))
    for hold in holds[40:]:
        hold.set()
    thread.join(30)

    await connection_redis.async_client(server.url).aclose()  # Its connection went to the dead one.
    found = await generations.read(generation.id)
    assert found is not None
    assert found.text == "".join(WORDS)
    assert found.finish is FinishReason.STOP


async def test_a_valkey_that_forgot_everything_ends_the_model(
    server: Server, generations: RedisGenerations
) -> None:
    worker = Worker(server.client, "I am", threading.Event())
    generation = a_generation()
    await generations.admit(generation, a_visitor())
    thread = worker.begin(generation.id)
    until(lambda: server.client.get(keys.text(generation.id)) == "I am")

    server.client.flushall()

    assert worker.generator.stopped.wait(10)
    thread.join(10)
    assert await generations.read(generation.id) is None
