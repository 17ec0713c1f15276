"""Fixtures of everything that talks to Redis from an event loop."""

from collections.abc import AsyncIterator

import pytest
from django.conf import settings

from inference import connection_redis


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The URL of the tests' own Valkey; this loop's connections are closed behind the test."""
    found = str(settings.RTAI_REDIS_URL)
    yield found
    await connection_redis.async_client(found).aclose()
