"""A subscriber connection that stays open and says nothing is replaced in time."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from inference import connection_redis
from inference import metrics_prometheus as metrics
from inference.errors import Overloaded
from streams import hub_channels
from streams.hub_channels import ChannelBus
from streams.readiness import Readiness
from tests.streams.silence import Silencer, silencer

REPLACED_S = 15.0
"""How long live delivery may be silent."""


class Case:
    """A bus on the far side of the proxy, and what a gateway says of its readiness."""

    def __init__(self, proxy: Silencer) -> None:
        self.proxy = proxy
        self.heard = asyncio.Event()
        layer = RedisPubSubChannelLayer(
            hosts=[connection_redis.channel_host(proxy.url)], prefix="rtai"
        )
        self.bus = ChannelBus(layer, "gateway.g1", self._receive)
        self.readiness = Readiness(self._send_probe, time.monotonic, hears=self._hears)

    def _hears(self) -> bool:
        return self.bus.is_alive

    async def _send_probe(self, probe: str) -> None:
        self.readiness.done(probe, True, "")

    def _receive(self, source: str, message: Mapping[str, Any]) -> None:
        self.heard.set()

    async def ready(self, expected: bool) -> None:
        while (await self.readiness.answer()).ready is not expected:
            await asyncio.sleep(0.01)


@pytest.fixture
async def case(url: str, valkey: redis.Redis) -> AsyncIterator[Case]:
    async with silencer(url) as proxy:
        made = Case(proxy)
        await made.bus.start()
        await made.ready(True)
        yield made
        await made.bus.stop()


def replaced() -> float:
    return float(metrics.REGISTRY.get_sample_value("rtai_subscriber_replaced_total") or 0)


async def test_a_silent_subscriber_is_replaced_within_15_seconds_while_10_joins_wait(
    case: Case,
) -> None:
    await case.bus.join("stream.a")
    before = replaced()
    case.proxy.silence()
    async with asyncio.timeout(REPLACED_S):
        joins = [asyncio.create_task(case.bus.join(f"stream.{n}")) for n in range(10)]
        await case.ready(False)
        outcomes = await asyncio.gather(*joins, return_exceptions=True)
        await case.ready(True)

    assert {type(outcome) for outcome in outcomes} == {Overloaded}
    assert replaced() == before + 1
    await case.bus.send("stream.a", {"type": "x"})
    async with asyncio.timeout(5):
        await case.heard.wait()


async def test_senders_that_wait_for_a_silent_connection_do_not_hold_up_its_end(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("PROBE_S", 0.05), ("PROBE_TIMEOUT_S", 0.4), ("JOIN_S", 0.4)):
        monkeypatch.setattr(hub_channels, name, seconds)
    monkeypatch.setattr(hub_channels, "SEND_S", 0.2)
    case.proxy.silence()
    async with asyncio.timeout(REPLACED_S):
        sends = [asyncio.create_task(case.bus.send("stream.a", {"type": "x"})) for _ in range(10)]
        outcomes = await asyncio.gather(*sends, return_exceptions=True)
        await case.ready(False)
        await case.ready(True)

    assert Overloaded in {type(outcome) for outcome in outcomes}


async def test_leaving_a_group_of_a_silent_connection_does_not_hold_up_its_end(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("PROBE_S", 0.05), ("PROBE_TIMEOUT_S", 0.4)):
        monkeypatch.setattr(hub_channels, name, seconds)
    await case.bus.join("stream.a")
    await case.bus.join("site.demo", "demo")
    case.proxy.silence()
    joining = asyncio.create_task(case.bus.join("stream.b"))
    async with asyncio.timeout(REPLACED_S):
        await case.bus.leave("site.demo", "demo")
        await case.ready(True)
    with pytest.raises(Overloaded):
        await joining

    await case.bus.join("site.demo", "demo")
    await case.bus.send("site.demo", {"type": "x"})
    async with asyncio.timeout(5):
        await case.heard.wait()
