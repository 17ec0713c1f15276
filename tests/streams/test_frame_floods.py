"""Frames that carry no message count as well: pings, pongs, and the pieces of a message."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from tests.rtai_project.waiting import wait_until
from tests.streams.guests import Guest, enter
from tests.streams.memory import MIB, little_memory
from tests.streams.raw_guests import CLOSE, FIN, TEXT, Raw, encode
from tests.streams.sse_guests import Door, token

CONTINUATION, PING, PONG = 0x0, FIN | 0x9, FIN | 0xA
COUNT = 500
"""Frames that are sent at once."""
FLOODS = {
    "empty pings": (b"", encode("", PING)),
    "long pings": (b"", encode("p" * 125, PING)),
    "pongs": (b"", encode("", PONG)),
    "empty pieces": (encode("{", TEXT), encode("", CONTINUATION)),
    "small pieces": (encode("{", TEXT), encode("x", CONTINUATION)),
}
flooded = pytest.mark.parametrize("kind", FLOODS)


@contextlib.contextmanager
def flood(client: Raw, kind: str) -> Iterator[threading.Thread]:
    """Sends as fast as the server takes it, until the server ends the connection."""
    first, frame = FLOODS[kind]
    client.send(first) if first else None

    def pour() -> None:
        with contextlib.suppress(OSError):
            while True:
                client.send(frame * COUNT)

    pouring = threading.Thread(target=pour)
    pouring.start()
    try:
        yield pouring
    finally:
        client.abort()
        pouring.join()


@pytest.fixture
def neighbour(sse: Door) -> Guest:
    """A good client that asks, and gets its answer."""
    return enter(sse, token("good"))


def ask(guest: Guest, count: int) -> None:
    for _ in range(count):
        guest.say(type="nonsense")
        assert guest.hear("error")["code"] == "unknown_type"


def told(client: Raw) -> int:
    """The code of the close frame that comes within 5 seconds."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        opcode, body = client.message()
        if opcode == CLOSE:
            return int.from_bytes(body[:2], "big")
    raise AssertionError("No close frame came.")


@flooded
def test_one_that_floods_and_reads_is_told_4013_and_costs_little(
    sse: Door, neighbour: Guest, kind: str
) -> None:
    client = Raw(sse, token("mean")).open()
    with little_memory(sse, 2 * MIB), flood(client, kind):
        ask(neighbour, 20)
        assert told(client) == 4013
        ask(neighbour, 20)


@flooded
def test_one_that_floods_and_reads_nothing_is_cut_off_and_costs_little(
    sse: Door, neighbour: Guest, kind: str
) -> None:
    client = Raw(sse, token("mean"), buffer=4_096).open()
    with little_memory(sse, 2 * MIB), flood(client, kind) as pouring:
        ask(neighbour, 20)
        wait_until(lambda: not pouring.is_alive(), "it is cut off", seconds=5)
        ask(neighbour, 20)


def test_one_that_is_closed_for_its_pings_has_not_taken_leave(sse: Door, room: str) -> None:
    client = Raw(sse, token("hasty")).open()
    client.say(type="subscribe", stream=room)
    client.say(type="message", stream=room, ref="r", text="Hello.")
    client.hear("accepted")
    sse.decide()
    verdict = client.hear("verdict")
    with flood(client, "empty pings") as pouring:
        assert told(client) == 4013
        pouring.join()

    again = Raw(sse, token("hasty")).open()
    assert again.hear("verdict") == verdict
    assert 'rtai_connections_total{code="4013"}' in sse.http.get("/metrics").text
