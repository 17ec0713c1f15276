"""How clients are sent away: in batches, each told its own time to return; and the whole of it with
a server that ends."""

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from streams import drains
from streams.closes import Close
from streams.sessions import Session
from tests.rtai_project.waiting import wait_until
from tests.streams.fakes import FakeClock, FakeReader, turns
from tests.streams.raw_guests import Raw
from tests.streams.sse_guests import Door, token
from tests.streams.test_bad_clients import publish


class Leaving(FakeReader):
    """Notes when it was sent away."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.at = 0.0

    def end(self, close: Close) -> None:
        super().end(close)
        self.at = self._clock.now

    @property
    def returns_ms(self) -> int:
        """When it was told to return."""
        assert self.closed is not None
        assert self.closed.code == 4001
        return int(json_of(self.closed)["retry_after_ms"])


def json_of(close: Close) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(close.reason))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Time that passes only where a drain waits."""
    made, turn = FakeClock(), asyncio.sleep

    async def wait(seconds: float) -> None:
        made.now += seconds
        await turn(0)

    monkeypatch.setattr("streams.drains.asyncio.sleep", wait)
    return made


async def sent_away(clock: FakeClock, count: int) -> list[Leaving]:
    """So many sessions after a drain."""
    found = [Leaving(clock) for _ in range(count)]
    await drains.send_all_away(cast(list[Session], found))
    return found


@pytest.mark.parametrize(
    ("count", "batches", "size", "pause_s"),
    [(200, 4, 50, 0.25), (1_000, 20, 50, 0.25), (4_000, 20, 200, 0.25), (50, 1, 50, 0)],
)
async def test_a_crowd_goes_in_batches_of_one_size_and_one_distance(
    clock: FakeClock, count: int, batches: int, size: int, pause_s: float
) -> None:
    began = clock.now
    leaving = Counter(each.at - began for each in await sent_away(clock, count))

    assert leaving == {number * pause_s: size for number in range(batches)}
    assert clock.now - began <= drains.DRAIN_S


async def test_each_is_told_another_time_and_a_larger_crowd_a_wider_span(clock: FakeClock) -> None:
    spans = {}
    for count in (2, 200, 2_000):
        waits = [each.returns_ms for each in await sent_away(clock, count)]
        assert min(waits) >= 100
        assert len(set(waits)) > count * 0.8
        spans[count] = max(waits)

    assert spans[2] <= 1_010
    assert 1_200 < spans[200] <= 2_000
    assert 8_000 < spans[2_000] <= 11_000


async def test_batches_are_drawn_by_lot(clock: FakeClock) -> None:
    orders = [[each.at for each in await sent_away(clock, 200)] for _ in range(2)]

    assert orders[0] != sorted(orders[0])
    assert [at - min(orders[0]) for at in orders[0]] != [at - min(orders[1]) for at in orders[1]]


async def test_it_is_over_when_what_was_written_has_gone_out(clock: FakeClock) -> None:
    slow, gate = Leaving(clock), asyncio.Event()

    async def write(text: str) -> None:
        await gate.wait()

    slow.outbox._write = write
    slow.outbox.put("something")
    draining = asyncio.create_task(drains.send_all_away(cast(list[Session], [slow])))
    await turns()
    assert slow.closed is not None
    assert not draining.done()
    gate.set()
    await draining


GOOD, MUTE, STUBBORN = 120, 40, 40


@pytest.fixture(params=["daphne", "uvicorn"])
def door(request: pytest.FixtureRequest, tmp_path: Path, valkey: Any) -> Iterator[Door]:
    made = Door(request.param, tmp_path / "log")
    yield made
    made.end()


async def good(door: Door, number: int) -> ClientConnection:
    """One that reads, and answers a close frame."""
    protocols: Any = ["rtai.v1", f"rtai.token.{token(f'good{number}')}"]
    address = f"ws://127.0.0.1:{door.port}/ws/v1/"
    return await connect(address, subprotocols=protocols, compression=None, proxy=None)


async def end_of(client: ClientConnection) -> int | None:
    """The code that it was closed with."""
    with contextlib.suppress(ConnectionClosed):
        async for _ in client:
            pass
    return client.close_code


def mute(door: Door, number: int) -> Raw:
    """One that reads nothing after its subscription."""
    client = Raw(door, token(f"mute{number}"), buffer=4_096).open()
    client.say(type="subscribe", stream="room-mute")
    client.hear("subscribed")
    return client


async def test_a_signal_ends_a_server_in_time_whatever_its_clients_do(door: Door) -> None:
    goods = await asyncio.gather(*(good(door, number) for number in range(GOOD)))
    stubborn = [Raw(door, token(f"stubborn{number}")).open() for number in range(STUBBORN)]
    for number in range(MUTE):
        mute(door, number)
    publish(door, "room-mute", 30)
    assert (await asyncio.to_thread(door.http.get, "/healthz")).status_code == 200
    began = time.monotonic()
    door.process.send_signal(signal.SIGTERM)
    ends = asyncio.gather(*map(end_of, goods))
    await asyncio.to_thread(wait_until, lambda: not listens(door), "it drains")
    told = await asyncio.to_thread(door.http.get, "/readyz")  # On its connection from before.

    assert told.status_code == 503
    assert "Shutting down." in told.text
    assert await ends == [4001] * GOOD
    assert [(await asyncio.to_thread(client.closed))[0] for client in stubborn] == [4001] * STUBBORN
    assert await asyncio.to_thread(door.process.wait, 30) == 0
    assert time.monotonic() - began <= 30


def listens(door: Door) -> bool:
    """Whether it takes new connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", door.port)) == 0
