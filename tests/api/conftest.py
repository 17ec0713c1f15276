"""A site with a stream and a key, and a client that calls the API with it."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pytest
import redis
from django.test import Client

from api import callers_http
from streams import api_keys
from streams.models import ApiKey, Site, Stream

ORIGIN = "https://shop.example"
KEY = "rtai_" + "k" * 40


class Call(Protocol):
    """Calls the API; the answer has its parsed body as `data`."""

    def __call__(self, method: str, path: str, body: Any = None, key: str = KEY) -> Any: ...


@pytest.fixture
def site(valkey: redis.Redis, transactional_db: None) -> Site:
    callers_http._directory.cache_clear()
    Site.objects.all().delete()
    found = Site.objects.create(
        slug="shop",
        name="Shop",
        public_key="pk_shop",
        allowed_origins=[ORIGIN, "https://*.shop.example", "http://localhost:3000"],
    )
    Stream.objects.create(site=found, name="lobby")
    return found


@pytest.fixture
def make_key(site: Site) -> Callable[..., ApiKey]:
    def make(scopes: Sequence[str], key: str = KEY, **given: Any) -> ApiKey:
        values = {"site": site, "name": "test", "prefix": key[:12], "scopes": list(scopes)}
        return ApiKey.objects.create(digest=api_keys.digest(key), **(values | given))

    return make


@pytest.fixture
def call() -> Call:
    client = Client(enforce_csrf_checks=True)

    def run(method: str, path: str, body: Any = None, key: str = KEY) -> Any:
        given: dict[str, Any] = {"headers": {"Authorization": f"Bearer {key}"} if key else {}}
        if body is not None:
            text = body if isinstance(body, str | bytes) else json.dumps(body)
            given |= {"data": text, "content_type": "application/json"}
        response = getattr(client, method)(path, **given)
        response.data = json.loads(response.content) if response.content else None
        return response

    return run
