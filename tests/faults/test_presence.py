"""Who is here stays true when the process that knew it dies, and when Redis forgets."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis

from inference.connection_redis import client, embedded_url
from policy import keys as policy_keys
from streams import keys
from streams.presence_redis import names_key, sessions_key, users_key
from tests.chatter import Chatter
from tests.faults.checks import a_victim
from tests.faults.conftest import unlimited
from tests.product import Product

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def product(tmp_path: Path, server: str) -> Iterator[Product]:
    with unlimited(tmp_path / "var", RTAI_SERVER=server) as product:
        yield product


@pytest.fixture
def valkey(product: Product) -> redis.Redis:
    return client(embedded_url(product.data_dir))


def told(valkey: redis.Redis) -> list[tuple[str, str]]:
    """Events so far: what happened, and the user's name."""
    found = cast(list[tuple[str, dict[str, str]]], valkey.xrange(keys.EVENTS))
    return [(entry["event"], entry["name"]) for _, entry in found]


async def test_sessions_of_a_killed_gateway_leave_and_are_told(
    product: Product, server: str, valkey: redis.Redis
) -> None:
    async with Chatter(product.url, name="Grace") as stays:
        ghost = Chatter(product.url, name="Ghost")
        await ghost.__aenter__()
        # Who subscribes is answered first, and told of to the others after that.
        await stays.until(lambda: ("joined", "Ghost") in told(valkey))
        a_victim(product, f"server_{server}").kill()
        await ghost.__aexit__()

        await stays.until(lambda: ("left", "Ghost") in told(valkey), within_s=90)
        names = set(cast(dict[str, str], valkey.hgetall(names_key("demo", "lobby"))).values())

    assert told(valkey).count(("left", "Ghost")) == 1
    assert names == {"Grace"}


async def test_presence_comes_back_after_redis_lost_it(
    product: Product, valkey: redis.Redis
) -> None:
    place = "demo", "lobby"
    async with Chatter(product.url, name="Grace") as one, Chatter(product.url, name="Ada"):
        await one.until(lambda: valkey.zcard(users_key(*place)) == 2)
        lost = [sessions_key(*place), users_key(*place), names_key(*place), policy_keys.GATEWAYS]
        await asyncio.to_thread(valkey.delete, *lost)

        await one.until(lambda: valkey.zcard(users_key(*place)) == 2, within_s=20)
