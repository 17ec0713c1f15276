"""Two installations of one Redis, on one machine: any of them carries any client."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from websockets.sync.client import ClientConnection, connect

from inference.workers_redis import live_workers
from tests.product import Product, running, until

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]


@pytest.fixture
def products(tmp_path: Path, url: str, valkey: redis.Redis) -> Iterator[list[Product]]:
    """Started one after the other, with nothing in common but Redis."""
    given = {"RTAI_REDIS_URL": url, "RTAI_DEMO": "1"}
    with running(tmp_path / "a", **given) as first, running(tmp_path / "b", **given) as second:
        yield [first, second]


class Guest:
    """A visitor's connection, and what came over it that nobody asked for yet."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._came: list[dict[str, Any]] = []

    def say(self, **frame: Any) -> None:
        self.socket.send(json.dumps(frame))

    def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of this type; those before it are dropped."""
        while True:
            while self._came:
                if (found := self._came.pop(0))["type"] == kind:
                    return found
            self._came += map(json.loads, str(self.socket.recv(timeout=30)).split("\n"))


@contextlib.contextmanager
def enter(product: Product, token: str) -> Iterator[Guest]:
    with connect(
        f"{product.url.replace('http', 'ws')}/ws/v1/",
        additional_headers={"Authorization": f"Bearer {token}"},
        subprotocols=["rtai.v1"],  # type: ignore[list-item]
    ) as socket:
        yield Guest(socket)


def test_a_client_goes_on_at_the_other_with_its_token_and_misses_nothing(
    products: list[Product], valkey: redis.Redis
) -> None:
    one, other = products
    until(lambda: len(live_workers(valkey)) == 2, 30, "both have their worker")
    given = httpx.post(
        f"{one.url}/widget/v1/token", json={"site": "pk_demo"}, headers={"Origin": one.url}
    )
    token = given.json()["token"]
    with enter(one, token) as guest:
        guest.say(type="subscribe", stream="lobby")
        at = guest.hear("subscribed")
        guest.say(type="message", stream="lobby", ref="r", text="Good morning.")
        said = guest.hear("message")
    assert one.stop() == 0

    with enter(other, token) as guest:
        since = {"epoch": at["epoch"], "offset": at["offset"]}
        guest.say(type="subscribe", stream="lobby", since=since)
        assert guest.hear("subscribed")["recovered"] is True
        assert guest.hear("message") == said
