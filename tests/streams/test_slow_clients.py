"""Clients that read slowly and steadily beside such that read next to nothing, over sockets as the
product makes them, on both servers and both ways at once."""

import contextlib
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from django.conf import settings

from inference import connection_redis
from policy import keys as policy_keys
from policy.policy import Action
from streams import keys
from tests.builders import a_verdict
from tests.rtai_project.waiting import wait_until
from tests.streams.people import a_message
from tests.streams.raw_guests import Raw
from tests.streams.sse_door import OWN_BUFFERS
from tests.streams.sse_guests import Door, token

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
TEXT = "x" * 9_000
MISSED = 700
"""Over 6 MB: more than the network takes by itself, and a client at 100 kB/s is long behind."""
RATE, FOR_S = 100_000, 11.0
CRAWL, SMALL, FEW = 5_000, 4_096, 8
"""A client that takes far less than 64 KiB in 5 s, and in small steps."""
OFFSET = re.compile(rb'\{"type":"message","stream":"[^"]*","epoch":"[^"]*","offset":(\d+)')
MOST_IN_KERNEL = 512 * 1024


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[list[Door]]:
    """Both servers, whose sockets are the product's own."""
    connection_redis.client(settings.RTAI_REDIS_URL).flushall()
    environ = {OWN_BUFFERS: "1"}
    made = [Door(name, tmp_path / name, environ=environ) for name in ("daphne", "uvicorn")]
    yield made
    for each in made:
        each.end()


def publish(door: Door, room: str) -> str:
    """What the clients have missed; the stream's epoch."""
    for _ in range(MISSED):
        message = a_message(stream=room, text=TEXT)
        body = json.dumps(message.as_json())
        door.valkey.hset(policy_keys.message(message.id), items=["body", body, "session", ""])
        door.publisher.publish([a_verdict(Action.ALLOW, message=message)])
    return str(door.valkey.hget(keys.position("demo", room), "epoch"))


def websocket(door: Door, room: str, epoch: str, user: str, *, buffer: int = 0) -> socket.socket:
    """A client that has asked for everything since the beginning, and has read nothing yet."""
    client = Raw(door, token(user), buffer=buffer).open()
    client.say(type="subscribe", stream=room, since={"epoch": epoch, "offset": 0})
    return client.socket


def event_stream(door: Door, room: str, epoch: str, user: str) -> socket.socket:
    """The same by Server-Sent Events."""
    client = door.opened.enter_context(socket.create_connection(("127.0.0.1", door.port)))
    client.settimeout(20)
    client.sendall(
        f"GET /sse/v1/streams/{room} HTTP/1.1\r\nHost: x\r\nLast-Event-ID: {epoch}:0\r\n"
        f"Authorization: Bearer {token(user)}\r\n\r\n".encode()
    )
    return client


def read_slowly(client: socket.socket, rate: int = RATE, count: int = MISSED) -> list[int]:
    """Offsets of the first frames, read at so many bytes a second for a while, then at any rate."""
    got, began = bytearray(), time.monotonic()
    while (passed := time.monotonic() - began) < FOR_S:
        if len(got) < passed * rate:
            got += some(client, rate // 10)
        else:
            time.sleep(0.05)
    while len(offsets := OFFSET.findall(got)) < count:
        got += some(client, 2**20)
    return [int(each) for each in offsets[:count]]


def some(client: socket.socket, most: int) -> bytes:
    """At least a byte."""
    found = client.recv(most)
    assert found, "The connection ended."
    return found


def sip(clients: list[socket.socket]) -> bool:
    """Reads a byte from each; one that was cut off has none, or has kept some."""
    for client in clients:
        with contextlib.suppress(OSError):
            client.recv(1)
    return True


def connections(door: Door) -> list[int]:
    """The server's connections, those included that it would like to close but cannot: for each,
    how many bytes wait in the system."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    over = {"05", "06", "0A"}  # FIN sent and acknowledged, both sides over, or only listening
    return [
        int(queues.partition(":")[0], 16)
        for _, local, _, state, queues, *_ in lines
        if int(local.partition(":")[2], 16) == door.port and state not in over
    ]


def cut_off(door: Door) -> float:
    """Clients that the server has sent away as slow readers so far, by its own count."""
    url = f"http://127.0.0.1:{door.port}/metrics"
    lines = httpx.get(url, trust_env=False, headers={"Connection": "close"}).text.splitlines()
    start = 'rtai_connections_total{code="4008"} '
    return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))


def test_a_client_that_reads_slowly_has_everything_and_one_that_hardly_reads_is_cut_off(
    doors: list[Door], room: str
) -> None:
    epoch = publish(doors[0], room)
    begin = [partial(way, door, room, epoch) for door in doors for way in (websocket, event_stream)]
    with ThreadPoolExecutor(len(begin) + len(doors)) as pool:
        slow = [pool.submit(read_slowly, each("slow")) for each in begin]
        crawling = [websocket(door, room, epoch, "crawl", buffer=SMALL) for door in doors]
        crawl = [pool.submit(read_slowly, each, CRAWL, FEW) for each in crawling]
        mute, sipping = ([each(user) for each in begin] for user in ("mute", "sipping"))
        bad = len(mute + sipping)
        wait_until(lambda: sip(sipping) and sum(map(cut_off, doors)) >= bad, "all are cut off")
        wait_until(lambda: all(len(connections(each)) == 3 for each in doors), "and are gone")
        waiting = [bytes for each in doors for bytes in connections(each)]
        got, little = ([each.result() for each in them] for them in (slow, crawl))

    assert got == [list(range(1, MISSED + 1))] * len(slow)
    assert little == [list(range(1, FEW + 1))] * len(crawl)
    assert max(waiting) <= MOST_IN_KERNEL
    assert sum(map(cut_off, doors)) == bad
    assert not [door for door in doors if "Traceback" in door.log.read_text()]
