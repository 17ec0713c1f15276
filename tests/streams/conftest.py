"""Fixtures of everything that talks to Redis from an event loop, and of event streams."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest
from django.conf import settings

from inference import connection_redis
from streams import keys
from streams.limits_redis import write_limits
from tests.streams.sse_guests import Door


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The URL of the tests' own Valkey; this loop's connections are closed behind the test."""
    found = str(settings.RTAI_REDIS_URL)
    yield found
    await connection_redis.async_client(found).aclose()


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def sse_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Door]:
    """A server process for all tests of a module, which each use a stream of their own."""
    connection_redis.client(settings.RTAI_REDIS_URL).flushall()
    made = Door(request.param, tmp_path_factory.mktemp("sse") / "log")
    yield made
    made.end()


@pytest.fixture
def sse(sse_server: Door) -> Iterator[Door]:
    """The server, without limits and bans, and with empty mailboxes."""
    sse_server.opened, sse_server.listening = ExitStack(), []
    valkey = sse_server.valkey
    old = [*valkey.keys("rtai:mailbox:*"), *valkey.keys("rtai:ref:*")]
    valkey.delete(keys.bans("demo"), *old)
    write_limits(valkey, {})
    yield sse_server
    sse_server.opened.close()
    valkey.delete(keys.bans("demo"))
    write_limits(valkey, {})


@pytest.fixture
def room() -> str:
    """A stream that no other test uses."""
    return f"room-{secrets.token_hex(4)}"
