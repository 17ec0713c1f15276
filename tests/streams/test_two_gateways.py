"""Two servers over one Valkey: what one gateway publishes, closes or leaves behind reaches the
clients of the other."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings

from inference import connection_redis
from policy import keys as policy_keys
from streams import addresses, bans_redis, keys
from tests.streams.guests import Guest, enter
from tests.streams.sse_guests import Door, Events, bearer, token

ORDERS = [("daphne", "uvicorn"), ("uvicorn", "daphne")]
NAMES = ["daphne first", "uvicorn first"]
HERE, BAD = "127.0.0.1", "127.0.0.9"
Pair = tuple[Door, Door]


def opened(servers: tuple[str, str], folder: Path, ends: ExitStack) -> Pair:
    """Both servers, which end with `ends`."""
    doors = list[Door]()
    for name in servers:
        doors.append(Door(name, folder / name))
        ends.callback(doors[-1].end)
    return doors[0], doors[1]


@pytest.fixture(params=ORDERS, ids=NAMES)
def short_lived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """Two servers for one test, which may kill them."""
    with ExitStack() as ends:
        yield opened(request.param, tmp_path, ends)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One server of each kind for all tests that leave them alone."""
    connection_redis.client(settings.RTAI_REDIS_URL).flushall()
    with ExitStack() as ends:
        yield opened(ORDERS[0], tmp_path_factory.mktemp("pair"), ends)


@pytest.fixture(params=[1, -1], ids=NAMES)
def pair(request: pytest.FixtureRequest, servers: Pair) -> Iterator[Pair]:
    """Both servers in either order, without bans."""
    for door in servers:
        door.opened = ExitStack()
    yield servers[:: request.param]  # type: ignore[misc]
    for door in servers:
        door.opened.close()
    servers[0].valkey.delete(keys.bans("demo"))


def tell(door: Door, room: str, *texts: str) -> None:
    """Publishes messages of somebody who is not connected."""
    for text in texts:
        assert door.say(room, text, token("carl")).status_code == 202
        door.decide()


def heard(guest: Guest, count: int) -> list[tuple[int, str]]:
    """Offsets and texts of the next messages."""
    frames = [guest.hear("message") for _ in range(count)]
    return [(frame["offset"], frame["text"]) for frame in frames]


def numbered(first: int, last: int) -> list[tuple[int, str]]:
    return [(number, f"text {number}") for number in range(first, last + 1)]


def texts(first: int, last: int) -> list[str]:
    return [text for _, text in numbered(first, last)]


def test_what_a_client_sends_at_one_gateway_arrives_at_the_other(pair: Pair, room: str) -> None:
    here, there = enter(pair[0], token(room)), enter(pair[1], token("bob"))
    also_here = enter(pair[1], token(room))
    for guest in (here, there, also_here):
        guest.subscribe(room)
    here.say(type="message", stream=room, ref="r", text="Hello.")
    id = here.hear("accepted")["id"]
    pair[1].decide()
    message = there.hear("message")

    assert (message["id"], message["offset"]) == (id, 1)
    assert here.hear("message") == also_here.hear("message") == message
    assert here.hear("verdict") == also_here.hear("verdict") == verdict("r", id)
    here.say(type="typing", stream=room)
    assert there.hear("typing")["user"] == room


def test_a_client_of_a_killed_gateway_finds_all_it_missed_at_the_other(
    short_lived: Pair, room: str
) -> None:
    one, other = short_lived
    reader, writer = enter(one, token("bob")), enter(one, token(room))
    start = reader.subscribe(room)
    writer.subscribe(room)
    tell(other, room, *texts(1, 3))
    assert heard(reader, 3) == numbered(1, 3)
    writer.say(type="message", stream=room, ref="r", text="text 4")
    id = writer.hear("accepted")["id"]

    one.process.send_signal(signal.SIGSTOP)  # From here on its clients hear nothing.
    other.decide()
    tell(other, room, *texts(5, 40))
    one.process.kill()
    tell(other, room, *texts(41, 60))

    back = enter(other, token("bob"))
    found = back.subscribe(room, since={"epoch": start["epoch"], "offset": 3})
    assert (found["recovered"], found["offset"]) == (True, 60)
    assert heard(back, 57) == numbered(4, 60)
    tell(other, room, "text 61")
    assert heard(back, 1) == numbered(61, 61)

    author = enter(other, token(room))
    author.subscribe(room, since={"epoch": start["epoch"], "offset": 3})
    assert author.hear("verdict") == verdict("r", id)
    author.say(type="message", stream=room, ref="r", text="text 4")
    assert author.hear("accepted")["id"] == id
    assert author.hear("verdict") == verdict("r", id)
    assert not other.valkey.zcard(policy_keys.PENDING)


def verdict(ref: str, id: str) -> dict[str, Any]:
    return {"type": "verdict", "ref": ref, "id": id, "action": "allow", "reasons": []}


class Everywhere:
    """One user with a WebSocket and an event stream at each gateway."""

    def __init__(self, pair: Pair, room: str, user: str, source: str) -> None:
        self.guests = [enter(door, token(user), source=source) for door in pair]
        self.sessions = [guest.hear("welcome")["session"] for guest in self.guests]
        for guest in self.guests:
            guest.subscribe(room)
        self.streams = [_listen(door, room, user, source) for door in pair]

    def ends(self) -> list[tuple[int, dict[str, Any]]]:
        """How all four end."""
        closes = [events.hear("close").data for events in self.streams]
        found = [(close["code"], close["reason"]) for close in closes]
        return found + [guest.closed() for guest in self.guests]

    def hear(self, text: str) -> None:
        """All four hear this message next."""
        for guest in self.guests:
            assert guest.hear("message")["text"] == text
        for events in self.streams:
            assert events.hear("message").data["text"] == text


def _listen(door: Door, room: str, user: str, source: str) -> Events:
    transport = httpx.HTTPTransport(local_address=source)
    http = door.opened.enter_context(httpx.Client(transport=transport, timeout=10))
    address = f"http://127.0.0.1:{door.port}/sse/v1/streams/{room}"
    response = http.stream("GET", address, headers=bearer(token(user)))
    events = Events(door.opened.enter_context(response))
    events.hear("subscribed")
    return events


def _ban(kind: str, subject: Callable[[], str]) -> Callable[[Door], None]:
    def banning(door: Door) -> None:
        until_ms = (int(time.time()) + 60) * 1000
        bans_redis.ban(door.valkey, "demo", kind, subject(), until_ms)

    return banning


def _hashed() -> str:
    return addresses.hashed(settings.RTAI_SECRETS["addresses"], BAD)


def _kick(door: Door) -> None:
    bans_redis.close_sessions(door.valkey, "demo", "user", "mallory")


@pytest.mark.parametrize(
    "close",
    [_ban("user", lambda: "mallory"), _ban("address", _hashed), _kick],
    ids=["user banned", "address banned", "user kicked"],
)
def test_a_ban_or_kick_closes_what_it_means_at_every_gateway_within_a_second(
    pair: Pair, room: str, close: Callable[[Door], None]
) -> None:
    bad = Everywhere(pair, room, "mallory", BAD)
    bystander = Everywhere(pair, room, "good", HERE)
    began = time.monotonic()
    close(pair[0])
    ends = bad.ends()

    assert time.monotonic() - began < 1
    assert [code for code, _ in ends] == [4503] * 4
    assert not [reason for _, reason in ends if "retry_after_ms" in reason]
    tell(pair[0], room, "Still here.")
    bystander.hear("Still here.")


def test_a_kick_of_one_session_leaves_the_users_others_alone(pair: Pair, room: str) -> None:
    ann = Everywhere(pair, room, "ann", HERE)
    began = time.monotonic()
    bans_redis.close_sessions(pair[0].valkey, "demo", "session", ann.sessions[1])

    assert ann.guests[1].close_code() == 4503
    assert time.monotonic() - began < 1
    tell(pair[1], room, "Still here.")
    assert heard(ann.guests[0], 1) == [(1, "Still here.")]
    assert [events.hear("message").data["offset"] for events in ann.streams] == [1, 1]
