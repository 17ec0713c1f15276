"""Fixtures that every test may use."""

from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from inference import connection_redis


@pytest.fixture
def url() -> str:
    """The URL of the tests' own Valkey."""
    return str(settings.RTAI_REDIS_URL)


@pytest.fixture
def valkey(url: str) -> Iterator[redis.Redis]:
    """A client of the tests' own Valkey, empty at the start of each test."""
    client = connection_redis.client(url)
    client.flushall()
    yield client
    client.flushall()
