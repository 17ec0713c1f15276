"""Commands that share a round trip, on a real Valkey."""

import asyncio
from typing import Any

import pytest
import redis

from inference import connection_redis
from streams import asking_redis
from streams.asking_redis import MOST, Script, ask


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many commands each round trip carried."""
    found: list[int] = []

    class Counting:
        def __init__(self, url: str) -> None:
            self._client = connection_redis.async_client(url)

        def pipeline(self, **options: Any) -> Any:
            pipeline = self._client.pipeline(**options)
            execute = pipeline.execute

            async def counted(**options: Any) -> Any:
                found.append(len(pipeline))
                return await execute(**options)

            pipeline.execute = counted  # type: ignore[method-assign, assignment]
            return pipeline

    class Connections:
        async_client = Counting

    monkeypatch.setattr(asking_redis, "connection_redis", Connections)
    return found


async def test_each_asker_gets_its_own_answer(url: str, valkey: redis.Redis) -> None:
    found = await asyncio.gather(*(ask(url, "ECHO", f"word {n} 😀") for n in range(300)))

    assert found == [f"word {n} 😀" for n in range(300)]


async def test_those_who_ask_at_the_same_time_share_round_trips(
    url: str, valkey: redis.Redis, trips: list[int]
) -> None:
    await asyncio.gather(*(ask(url, "ECHO", n) for n in range(2 * MOST + 1)))
    await ask(url, "ECHO", "alone")

    assert trips == [MOST, MOST, 1, 1]


async def test_those_who_ask_meanwhile_share_the_next(
    url: str, valkey: redis.Redis, trips: list[int]
) -> None:
    first = asyncio.create_task(ask(url, "ECHO", "first"))
    while not trips:
        await asyncio.sleep(0)
    others = [asyncio.create_task(ask(url, "ECHO", n)) for n in range(5)]
    await asyncio.gather(first, *others)

    assert trips == [1, 5]


async def test_an_error_concerns_only_its_asker(url: str, valkey: redis.Redis) -> None:
    valkey.set("text", "x")
    found = await asyncio.gather(
        ask(url, "ECHO", 1),
        ask(url, "HGETALL", "text"),
        ask(url, "NOSUCHCOMMAND"),
        ask(url, "ECHO", 2),
        return_exceptions=True,
    )

    assert (found[0], found[3]) == ("1", "2")
    assert all(isinstance(each, redis.ResponseError) for each in found[1:3])


async def test_who_stops_waiting_takes_nobody_along(url: str, valkey: redis.Redis) -> None:
    impatient = asyncio.create_task(ask(url, "INCR", "count"))
    patient = asyncio.create_task(ask(url, "INCR", "count"))
    await asyncio.sleep(0)
    impatient.cancel()

    assert await patient == 2


async def test_a_redis_that_is_away_is_told_to_all_and_asked_again_by_the_next() -> None:
    nowhere = "unix:///nonexistent/valkey.sock"
    for _ in range(2):
        asked = (ask(nowhere, "PING") for _ in range(3))
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, redis.ConnectionError) for each in found)


async def test_a_script_runs_whether_or_not_redis_knows_it(url: str, valkey: redis.Redis) -> None:
    script = Script("return {KEYS[1], ARGV[1], ARGV[2]}")
    for _ in range(2):
        valkey.script_flush()
        assert await script(url, ["key"], ["a", 7]) == ["key", "a", "7"]
        assert await script(url, ["key"], ["b", 8]) == ["key", "b", "8"]


async def test_a_script_that_fails_is_not_run_twice(url: str, valkey: redis.Redis) -> None:
    script = Script("redis.call('INCR', KEYS[1]) return redis.call('HGET', KEYS[1], 'x')")
    for _ in range(2):
        with pytest.raises(redis.ResponseError):
            await script(url, ["count"], [])

    assert valkey.get("count") == "2"
