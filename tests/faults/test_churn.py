"""A thousand clients go and come, all of them, twice: nobody misses or doubles a message, and the
server keeps nothing of those that left."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from benchmarks.connections import Connection, connect, subscribe
from streams import keys
from streams.presence_redis import users_key
from tests.streams.sse_guests import Door, token
from tests.streams.test_bad_clients import put_in_force

pytestmark = pytest.mark.timeout(240)
CLIENTS, ROUNDS, AT_ONCE = 1_000, 3, 100
ROOM = "room-churn"
MESSAGES = 3
GROWTH_MIB = 48
"""What memory may grow by until it is as large as it gets; keeping those that left would need twice
as much."""


@pytest.fixture(params=["daphne", "uvicorn"])
def door(request: pytest.FixtureRequest, tmp_path: Path, valkey: redis.Redis) -> Iterator[Door]:
    made = Door(request.param, tmp_path / "log")
    put_in_force(made, {})  # All come from one address.
    yield made
    made.end()


async def crowd(door: Door, first: int) -> list[Connection]:
    """A thousand users, each subscribed on a connection of its own."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Connection:
        async with gate:
            found = await connect(door.port, token(f"user{number}"))
            await subscribe(found, ROOM)
            return found

    return await asyncio.gather(*map(one, range(first, first + CLIENTS)))


async def until_there(door: Door, count: int) -> None:
    """Waits until so many sessions are there, and as many users present."""
    names = [keys.sessions("demo"), keys.stream_sessions("demo", ROOM), users_key("demo", ROOM)]
    async with asyncio.timeout(30):
        while {door.valkey.zcard(name) for name in names} != {count}:
            await asyncio.sleep(0.05)


async def hear(door: Door, clients: list[Connection]) -> None:
    """Publishes three messages; returns when everybody has as many."""
    await asyncio.to_thread(door.tell, ROOM, *(f"message {number}" for number in range(MESSAGES)))
    async with asyncio.timeout(30):
        while any(client.frames < MESSAGES for client in clients):
            await asyncio.sleep(0.05)


async def test_a_thousand_clients_come_and_go_twice_without_a_trace(door: Door) -> None:
    process, resident = psutil.Process(door.process.pid), list[int]()
    for number in range(ROUNDS):
        clients = await crowd(door, number * CLIENTS)
        try:
            await until_there(door, CLIENTS)
            await hear(door, clients)
        finally:
            for client in clients:
                client.transport.abort()
        await until_there(door, 0)
        resident.append(process.memory_info().rss)
        assert {(client.frames, client.problems) for client in clients} == {(MESSAGES, 0)}
        assert {client.close_code for client in clients} == {0}

    assert (resident[-1] - resident[0]) / 2**20 <= GROWTH_MIB
    assert list(door.valkey.scan_iter(keys.session("*"))) == []
