"""Fixtures of generations kept in a real Valkey."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgpack
import pytest
import redis
from django.conf import settings

from generation.generations_redis import RedisGenerations
from generation.work_redis import RedisWork
from inference import connection_redis


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The URL of the tests' own Valkey; this loop's connections are closed behind the test."""
    found = str(settings.RTAI_REDIS_URL)
    yield found
    await connection_redis.async_client(found).aclose()


@pytest.fixture
def generations(valkey: redis.Redis, url: str) -> RedisGenerations:
    """What a gateway sees."""
    return RedisGenerations(url)


@pytest.fixture
def work(valkey: redis.Redis) -> RedisWork:
    """What a worker sees."""
    return RedisWork(valkey)


class Ear:
    """Hears what the channel layer's groups would hear."""

    def __init__(self, client: redis.Redis) -> None:
        self._pubsub = client.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )

    def listen(self, *groups: str) -> None:
        """Begins to listen to groups."""
        self._pubsub.subscribe(*[f"rtai__group__{group}" for group in groups])
        for _ in groups:
            self._pubsub.get_message(timeout=2)

    def hear(self) -> list[dict[str, Any]]:
        """Everything announced since the last call."""
        found = []
        while message := self._pubsub.get_message(timeout=0.05):
            found.append(msgpack.unpackb(message["data"]))
        return found

    def close(self) -> None:
        """Stops listening."""
        self._pubsub.close()


@pytest.fixture
def ear(valkey: redis.Redis) -> Iterator[Ear]:
    """Listens on a connection of its own."""
    arguments = {**valkey.get_connection_kwargs(), "decode_responses": False}
    pool = redis.ConnectionPool(
        connection_class=valkey.connection_pool.connection_class, **arguments
    )
    client = redis.Redis(connection_pool=pool)
    made = Ear(client)
    yield made
    made.close()
    client.close()


@pytest.fixture
def limit(valkey: redis.Redis) -> Callable[[str, str], None]:
    """Sets a limit in its encoded form."""

    def set_limit(name: str, encoded: str) -> None:
        valkey.hset("rtai:limits", name, encoded)

    return set_limit
