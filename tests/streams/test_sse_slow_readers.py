"""Clients of event streams that take little or nothing, or leave without a word."""

import json
import socket
import threading
import time
from pathlib import Path

import pytest

from policy import keys as policy_keys
from policy.policy import Action
from streams import keys
from tests.builders import a_verdict
from tests.rtai_project.waiting import wait_until
from tests.streams.people import a_message
from tests.streams.sse_guests import Door, Events, token

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc here")
TEXT = "x" * 9_000
CLIENTS = 10
FRAMES = 500


def _mute(sse: Door, room: str, user: str) -> socket.socket:
    """A client whose bytes nobody reads, with a small buffer of its own."""
    client = sse.opened.enter_context(socket.socket())
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", sse.port))
    client.sendall(
        f"GET /sse/v1/streams/{room} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {token(user)}\r\n\r\n".encode()
    )
    return client


def _publish(sse: Door, room: str, count: int) -> None:
    """Messages of 9 kB, decided at once."""
    for _ in range(count):
        message = a_message(stream=room, text=TEXT)
        body = json.dumps(message.as_json())
        sse.valkey.hset(policy_keys.message(message.id), items=["body", body, "session", ""])
        sse.publisher.publish([a_verdict(Action.ALLOW, message=message)])


def _rss_kib(sse: Door) -> int:
    status = Path(f"/proc/{sse.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def _sockets(sse: Door) -> int:
    """The server's TCP connections, those included that it would like to close but cannot."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listens, waits = "0A", "06"
    return sum(
        int(local.partition(":")[2], 16) == sse.port and state not in (listens, waits)
        for _, local, _, state, *_ in lines
    )


def _members(sse: Door, room: str) -> int:
    return int(sse.valkey.zcard(keys.stream_sessions("demo", room)))


def _count(events: Events, got: list[str]) -> None:
    while len(got) < FRAMES:
        got.append(events.hear("message").id.rpartition(":")[2])


def test_clients_that_never_read_cost_little_hurt_nobody_and_are_cut_off(
    sse: Door, room: str
) -> None:
    events, got = sse.listen(room, token("good")), list[str]()
    events.hear("subscribed")
    for number in range(CLIENTS):
        _mute(sse, room, f"mute{number}")
    wait_until(lambda: _members(sse, room) == CLIENTS + 1, "all listen")
    before = _rss_kib(sse)
    reader = threading.Thread(target=_count, args=(events, got), daemon=True)
    reader.start()
    for sent in range(50, FRAMES + 1, 50):
        _publish(sse, room, 50)
        wait_until(lambda sent=sent: len(got) == sent, "the good client has everything")  # type: ignore[misc]

    assert got == [str(each) for each in range(1, FRAMES + 1)]
    wait_until(lambda: _members(sse, room) == 1, "the others are cut off")
    wait_until(lambda: _sockets(sse) == 1, "their sockets are closed")
    assert _rss_kib(sse) - before < 30 * 1024
    assert "Traceback" not in sse.log.read_text()


def test_a_client_that_takes_nothing_for_5_seconds_is_cut_off(sse: Door, room: str) -> None:
    _mute(sse, room, "mute")
    wait_until(lambda: _members(sse, room) == 1, "it listens")
    sockets, began = _sockets(sse), time.monotonic()
    # Less than its outbox holds, more than the buffers on the way do.
    _publish(sse, room, 60)
    wait_until(lambda: _members(sse, room) == 0, "it is cut off", seconds=12)

    assert time.monotonic() - began > 4
    wait_until(lambda: _sockets(sse) < sockets, "its socket is closed")


def test_a_client_that_takes_a_byte_now_and_then_is_cut_off(sse: Door, room: str) -> None:
    client = _mute(sse, room, "sipping")
    wait_until(lambda: _members(sse, room) == 1, "it listens")
    sockets = _sockets(sse)
    _publish(sse, room, 60)
    wait_until(lambda: bool(client.recv(1)) and not _members(sse, room), "it is cut off")

    wait_until(lambda: _sockets(sse) < sockets, "its socket is closed")


def test_a_client_that_leaves_is_forgotten_at_once(sse: Door, room: str) -> None:
    client = _mute(sse, room, "brief")
    wait_until(lambda: _members(sse, room) == 1, "it listens")
    client.close()

    wait_until(lambda: _members(sse, room) == 0, "it is forgotten", seconds=3)


def test_a_cut_off_client_recovers_everything(sse: Door, room: str) -> None:
    events = sse.listen(room, token("back"))
    position = events.hear("subscribed").id
    sse.opened.close()
    _publish(sse, room, 300)
    again = sse.listen(room, token("back"), headers={"Last-Event-ID": position})

    assert again.hear("subscribed").data["recovered"]
    got = [again.hear("message").data["offset"] for _ in range(300)]
    assert got == list(range(1, 301))
