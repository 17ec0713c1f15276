"""Programs send messages over REST: limits, repeated refs and storage are a visitor's."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from policy import keys as policy_keys
from streams import lifespan
from streams.limits import Rate
from streams.limits_redis import write_limits
from tests.api.conftest import KEY

PATH = "/api/v1/streams/lobby/messages"


@pytest.fixture
async def key(make_key: Any, valkey: redis.Redis) -> AsyncIterator[str]:
    await sync_to_async(make_key)(["messages"])
    yield KEY
    await lifespan.drain()


async def send(body: Any, path: str = PATH, key: str = KEY) -> Any:
    response = await AsyncClient().post(
        path,
        json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"} if key else {},
    )
    response.data = json.loads(response.content)  # type: ignore[attr-defined]
    return response


async def test_a_message_is_stored_and_its_ref_is_remembered(key: str, valkey: redis.Redis) -> None:
    first = await send({"text": "Hello", "ref": "r1", "author": {"id": "u7", "name": "Ann"}})
    again = await send({"text": "Hello", "ref": "r1", "author": {"id": "u7"}})
    service = await send({"text": "Maintenance at noon."})
    assert first.status_code == 202, first.data
    assert again.data["id"] == first.data["id"]
    stored = json.loads(str(valkey.hget(policy_keys.message(first.data["id"]), "body")))
    assert (stored["site"], stored["stream"], stored["text"]) == ("shop", "lobby", "Hello")
    assert stored["author"] == {"id": "u7", "name": "Ann", "kind": "user"}
    stored = json.loads(str(valkey.hget(policy_keys.message(service.data["id"]), "body")))
    assert (stored["author"]["kind"], stored["author"]["name"]) == ("service", "test")


async def test_a_key_is_limited(key: str, valkey: redis.Redis) -> None:
    await send({"text": "one"})
    write_limits(valkey, {"api_key.messages": Rate(1, 3_600_000, 1)})
    answers = [(await send({"text": "more"})).status_code for _ in range(3)]
    assert answers == [202, 429, 429]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"text": ""}, 422),
        ({"text": "x" * 10_001}, 422),
        ({"text": 7}, 422),
        ({"text": "\ud800"}, 422),
        ({"text": "x", "ref": "r" * 65}, 422),
        ({"text": "x", "author": {"id": ""}}, 422),
        ({"text": "x", "site": "other"}, 403),
    ],
)
async def test_what_is_malformed_is_a_problem(key: str, body: Any, status: int) -> None:
    response = await send(body)
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"


async def test_an_unknown_stream_or_key_is_refused(key: str) -> None:
    unknown = await send({"text": "x"}, path="/api/v1/streams/nowhere/messages")
    assert unknown.status_code == 404
    assert (await send({"text": "x"}, key="wrong")).status_code == 401
    assert (await send({"text": "x"}, key="")).status_code == 401
