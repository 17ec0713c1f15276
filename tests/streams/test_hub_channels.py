import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgpack
import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from inference import connection_redis
from inference.errors import Overloaded
from streams import hub_channels
from streams.hub_channels import ChannelBus


class Layer:
    """The channel layer; while it is `away` nothing can be joined, and joins may be slow."""

    def __init__(self, url: str) -> None:
        hosts = [connection_redis.channel_host(url)]
        self._layer = RedisPubSubChannelLayer(hosts=hosts, prefix="rtai")
        self.away = False
        self.error: Exception = redis.ConnectionError("Away.")
        """What is raised meanwhile."""
        self.refused = asyncio.Event()
        """Set once a new channel was refused: then joining again has failed."""
        self.join_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._layer, name)

    async def new_channel(self) -> str:
        if self.away:
            self.refused.set()
            raise self.error
        return str(await self._layer.new_channel())

    async def group_add(self, group: str, channel: str) -> None:
        if self.away:
            raise self.error
        await asyncio.sleep(self.join_s)
        await self._layer.group_add(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self.away:
            raise self.error
        await self._layer.group_send(group, message)


class Case:
    def __init__(self, url: str) -> None:
        self.layer = Layer(url)
        self.got: list[tuple[str, Any]] = []
        self.arrived = asyncio.Event()
        self.bus = ChannelBus(self.layer, "gateway.g1", self._receive)

    def _receive(self, source: str, message: Mapping[str, Any]) -> None:
        self.got.append((source, message["n"]))
        self.arrived.set()

    async def away(self) -> None:
        """Takes Redis away until joining again has failed, and brings it back."""
        self.layer.away = True
        async with asyncio.timeout(20):
            await self.layer.refused.wait()
        assert not self.bus.is_alive
        self.layer.away = False

    async def alive(self) -> None:
        async with asyncio.timeout(20):
            while not self.bus.is_alive:
                await asyncio.sleep(0.01)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def case(
    url: str, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Case]:
    monkeypatch.setattr(hub_channels, "PROBE_S", 0.05)
    monkeypatch.setattr(hub_channels, "PROBE_TIMEOUT_S", 0.5)
    made = Case(url)
    await made.bus.start()
    yield made
    await made.bus.stop()


def publish(valkey: redis.Redis, group: str, n: int) -> None:
    valkey.publish(f"rtai__group__{group}", msgpack.packb({"type": "x", "n": n}))


async def test_what_is_published_after_a_join_arrives_in_order(
    case: Case, valkey: redis.Redis
) -> None:
    await case.bus.join("stream.a")
    for n in range(100):
        publish(valkey, "stream.a", n)
    await case.until(lambda: len(case.got) == 100)

    assert case.got == [("", n) for n in range(100)]


async def test_a_sites_messages_are_known_by_their_site(case: Case, valkey: redis.Redis) -> None:
    await case.bus.join("site.demo", "demo")
    await case.bus.join("site.blog", "blog")
    publish(valkey, "site.blog", 1)
    publish(valkey, "site.demo", 2)
    await case.until(lambda: len(case.got) == 2)

    assert sorted(case.got) == [("blog", 1), ("demo", 2)]


async def test_a_group_that_was_left_is_silent_and_may_be_joined_again(
    case: Case, valkey: redis.Redis
) -> None:
    await case.bus.join("site.demo", "demo")
    await case.bus.leave("site.demo", "demo")
    publish(valkey, "site.demo", 1)
    await case.bus.join("site.demo", "demo")
    publish(valkey, "site.demo", 2)
    await case.until(lambda: bool(case.got))

    assert case.got == [("demo", 2)]


async def test_many_joins_take_one_connection(case: Case, valkey: redis.Redis) -> None:
    await case.bus.join("stream.0")
    before = len(valkey.client_list(_type="pubsub"))
    for number in range(1, 50):
        await case.bus.join(f"stream.{number}")

    assert len(valkey.client_list(_type="pubsub")) == before


async def test_a_lost_subscriber_connection_is_replaced(case: Case, valkey: redis.Redis) -> None:
    await case.bus.join("stream.a")
    await case.bus.join("site.demo", "demo")
    for client in valkey.client_list(_type="pubsub"):
        valkey.client_kill_filter(_id=client["id"])
    async with asyncio.timeout(20):
        while ("", 0) not in case.got or ("demo", 0) not in case.got:
            publish(valkey, "stream.a", 0)
            publish(valkey, "site.demo", 0)
            await asyncio.sleep(0.05)


async def test_after_an_outage_the_bus_lives_again_only_once_it_hears_every_group(
    case: Case, valkey: redis.Redis
) -> None:
    await case.bus.join("stream.a")
    await case.bus.join("site.demo", "demo")
    await case.away()
    await case.alive()
    publish(valkey, "stream.a", 1)
    publish(valkey, "site.demo", 2)
    await case.until(lambda: len(case.got) == 2)

    assert sorted(case.got) == [("", 1), ("demo", 2)]


async def test_the_bus_lives_again_after_an_error_that_nobody_expected(
    case: Case, valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await case.bus.join("stream.a")
    case.layer.error = RuntimeError("something unheard of")
    await case.away()
    await case.alive()
    publish(valkey, "stream.a", 1)
    await case.until(lambda: bool(case.got))

    assert case.got == [("", 1)]
    assert "something unheard of" in caplog.text


async def test_many_groups_may_take_longer_to_join_again_than_one_may(
    case: Case, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        await case.bus.join(f"stream.{number}")
    monkeypatch.setattr(hub_channels, "JOIN_S", 0.4)
    case.layer.join_s = 0.1
    await case.away()
    await case.alive()
    publish(valkey, "stream.7", 1)
    await case.until(lambda: bool(case.got))

    assert case.got == [("", 1)]


async def test_a_bus_without_redis_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_channels, "JOIN_S", 0.3)
    case = Case("unix:///nowhere/valkey.sock")
    with pytest.raises(Overloaded):
        await case.bus.join("stream.a")
    with pytest.raises(Overloaded):
        await case.bus.send("stream.a", {"type": "x"})
    assert not case.bus.is_alive
    await case.bus.stop()
