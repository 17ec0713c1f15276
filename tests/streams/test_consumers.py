"""The WebSocket edge over real sockets, on both servers as processes, with a real Valkey.

What only a look inside a gateway can show is asked of one in this process.
"""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import uvicorn
from channels.testing import WebsocketCommunicator
from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from inference import connection_redis
from policy.policy import Action
from rtai_project.celery import app as celery_app
from streams import addresses, bans_redis, consumers, keys, lifespan, limits_db
from streams.clients import Client
from streams.presence_redis import users_key
from streams.routing import websocket_application
from tests.rtai_project.waiting import free_port
from tests.streams import sse_guests
from tests.streams.fakes import FakeDirectory
from tests.streams.sse_door import SWITCHED_OFF
from tests.streams.sse_guests import token


class Directory(FakeDirectory):
    def __init__(self, url: str) -> None:
        super().__init__()

    def refresh(self) -> None: ...


class Door:
    """Where guests come in, all of them to one stream."""

    def __init__(self, port: int, room: str, valkey: redis.Redis) -> None:
        self.port = port
        self.room = room
        self.valkey = valkey
        self.sockets: list[ClientConnection] = []

    async def enter(self, given: str | None = None, **options: Any) -> "Guest":
        protocols = ["rtai.v1", f"rtai.token.{token() if given is None else given}"]
        options = {"subprotocols": protocols, "proxy": None, **options}
        socket = await connect(f"ws://127.0.0.1:{self.port}/ws/v1/", **options)
        self.sockets.append(socket)
        return Guest(socket, self.room)

    async def refused(self, given: str | None = None, **options: Any) -> int:
        with pytest.raises(InvalidStatus) as caught:
            await self.enter(given, **options)
        return int(caught.value.response.status_code)

    async def leave(self) -> None:
        """Ends all connections."""
        await asyncio.gather(*(socket.close() for socket in self.sockets))

    async def is_empty(self) -> None:
        """Waits until nobody's session is left."""
        await until(lambda: not self.valkey.zcard(keys.sessions("demo")))


class OuterDoor(Door):
    """A server process."""

    def __init__(self, served: sse_guests.Door, room: str) -> None:
        super().__init__(served.port, room, served.valkey)
        self.served = served

    async def decide(self, action: Action) -> None:
        """Stands in for the worker: decides what was accepted."""
        await asyncio.to_thread(self.served.decide, action)


class Guest:
    """A client on its socket."""

    def __init__(self, socket: ClientConnection, room: str) -> None:
        self.socket = socket
        self.room = room
        self.frames: list[dict[str, Any]] = []

    async def say(self, type: str, **frame: Any) -> None:
        await self.socket.send(json.dumps({"type": type, **frame}))

    async def ask(self, type: str, **fields: Any) -> None:
        """Says something to the stream."""
        await self.say(type, stream=self.room, **fields)

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of this type; what comes before it is skipped."""
        return (await self.until(kind))[-1]

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """All frames up to the next one of this type."""
        heard = list[dict[str, Any]]()
        async with asyncio.timeout(10):
            while True:
                while self.frames:
                    heard.append(self.frames.pop(0))
                    if heard[-1]["type"] == kind:
                        return heard
                data = await self.socket.recv()
                self.frames += [json.loads(line) for line in str(data).split("\n")]

    async def subscribe(self, **fields: Any) -> dict[str, Any]:
        await self.ask("subscribe", **fields)
        return await self.hear("subscribed")

    async def closed(self) -> tuple[int, dict[str, Any]]:
        """Code and reason of the close that comes."""
        with pytest.raises(ConnectionClosed) as caught:
            await self.hear("the end")
        assert caught.value.rcvd is not None
        reason = caught.value.rcvd.reason
        return caught.value.rcvd.code, json.loads(reason) if reason.startswith("{") else {}


async def until(condition: Callable[[], bool], within_s: float = 10) -> None:
    """Waits for what another process does."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture
async def door(sse: sse_guests.Door, room: str) -> AsyncIterator[OuterDoor]:
    made = OuterDoor(sse, room)
    yield made
    await made.leave()
    await made.is_empty()


@pytest.fixture(params=["daphne", "uvicorn"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sse_guests.Door]:
    """A server process for one test, which trusts a proxy on this machine."""
    environ = {"RTAI_TRUSTED_PROXIES": "127.0.0.0/8"}
    made = sse_guests.Door(request.param, tmp_path / "log", environ=environ)
    yield made
    made.end()


@pytest.fixture
async def inside(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """A door whose gateway is in this process."""
    monkeypatch.setattr(lifespan, "CachedDirectory", Directory)
    monkeypatch.setattr(limits_db, "ensure_synced", lambda: None)
    made = Door(free_port(), "lobby", connection_redis.client(url))
    config = uvicorn.Config(
        websocket_application, port=made.port, lifespan="off", ws="websockets-sansio",
        ws_per_message_deflate=False, log_config=None,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    yield made
    await lifespan.drain()
    await made.leave()
    server.should_exit = True
    await serving
    celery_app.close()


async def test_the_server_speaks_rtai_v1_and_welcomes(door: OuterDoor) -> None:
    guest = await door.enter()
    welcome = await guest.hear("welcome")

    assert guest.socket.subprotocol == "rtai.v1"
    assert welcome["heartbeat_s"] == 25
    assert door.valkey.exists(keys.session(welcome["session"]))


async def test_a_message_is_accepted_published_to_all_and_decided_for_its_author(
    door: OuterDoor,
) -> None:
    ann, bob = await door.enter(), await door.enter(token("bob"))
    moderator = await door.enter(token("mod", role="moderator"))
    for guest in (ann, bob, moderator):
        await guest.subscribe()
    await ann.ask("message", ref="r1", text="Hello 👋")
    accepted = await ann.hear("accepted")
    await door.decide(Action.FLAG)

    for guest in (ann, bob, moderator):
        message = await guest.hear("message")
        assert (message["id"], message["text"]) == (accepted["id"], "Hello 👋")
        assert message["author"] == {"id": "ann", "name": "Ann", "kind": "user"}
        assert ("scores" in message) == (guest is moderator)
    verdict = await ann.hear("verdict")
    assert verdict == {
        "type": "verdict", "ref": "r1", "id": accepted["id"], "action": "allow", "reasons": [],
    }  # fmt: skip


async def test_a_blocked_message_reaches_nobody_else(door: OuterDoor) -> None:
    ann, bob = await door.enter(), await door.enter(token("bob"))
    for guest in (ann, bob):
        await guest.subscribe()
    await ann.ask("message", ref="r1", text="bad")
    await door.decide(Action.BLOCK)
    assert (await ann.hear("verdict"))["action"] == "block"
    await ann.ask("message", ref="r2", text="good")
    await door.decide(Action.ALLOW)

    assert (await bob.hear("message"))["text"] == "good"


async def test_two_sessions_of_one_user_hear_the_verdict_and_a_later_one_does_not(
    door: OuterDoor,
) -> None:
    first, second = await door.enter(), await door.enter()
    for guest in (first, second):
        await guest.subscribe()
    await first.ask("message", ref="r1", text="hi")
    await door.decide(Action.HOLD)
    for guest in (first, second):
        assert (await guest.hear("verdict"))["action"] == "hold"
    await until(lambda: not door.valkey.hlen(keys.mailbox("demo", "ann")))

    third = await door.enter()
    await third.subscribe()
    await third.say("nonsense")
    await third.hear("error")
    assert third.frames == []


async def test_a_verdict_follows_its_author_to_the_next_subscription(door: OuterDoor) -> None:
    ann = await door.enter()
    await ann.ask("message", ref="r1", text="hi")
    await ann.hear("accepted")
    await ann.socket.close()
    await door.is_empty()
    await door.decide(Action.HOLD)

    again = await door.enter()
    await again.subscribe()
    assert (await again.hear("verdict"))["ref"] == "r1"


async def test_a_client_recovers_what_it_missed(door: OuterDoor) -> None:
    ann, bob = await door.enter(), await door.enter(token("bob"))
    position = await bob.subscribe()
    await bob.socket.close()
    for number in range(3):
        await ann.ask("message", ref=f"r{number}", text=f"text {number}")
        await door.decide(Action.ALLOW)

    again = await door.enter(token("bob"))
    since = {"epoch": position["epoch"], "offset": position["offset"]}
    assert (await again.subscribe(since=since))["recovered"]
    got = [await again.hear("message") for _ in range(3)]
    assert [frame["offset"] for frame in got] == [1, 2, 3]
    assert [frame["text"] for frame in got] == ["text 0", "text 1", "text 2"]


async def test_a_removed_text_is_not_recovered(door: OuterDoor) -> None:
    ann = await door.enter()
    position = await ann.subscribe()
    await ann.ask("message", ref="r1", text="regretted")
    await door.decide(Action.ALLOW)
    message = await ann.hear("message")
    await ann.ask("remove", id=message["id"])
    removed = await ann.hear("removed")
    assert (removed["id"], removed["offset"], removed["by"]) == (message["id"], 2, "author")

    bob = await door.enter(token("bob"))
    await bob.subscribe(since={"epoch": position["epoch"], "offset": 0})
    assert [(await bob.hear("removed"))["offset"] for _ in range(2)] == [1, 2]
    assert not any("regretted" in str(frame) for frame in bob.frames)


async def test_a_program_may_send_its_token_in_a_header(door: OuterDoor) -> None:
    header = {"Authorization": f"Bearer {token()}"}
    guest = await door.enter(subprotocols=None, additional_headers=header)

    await guest.hear("welcome")
    assert guest.socket.subprotocol is None


@pytest.mark.parametrize(
    "given",
    [
        lambda: "",
        lambda: "nonsense",
        lambda: "a.b.c",
        lambda: token(site="elsewhere"),
        lambda: token()[:-3] + "abc",
    ],
    ids=["missing", "nonsense", "parts", "site", "signature"],
)
async def test_a_token_that_is_not_genuine_is_refused(
    door: OuterDoor, given: Callable[[], str]
) -> None:
    assert await door.refused(given()) == 401


async def test_a_token_in_the_url_does_not_count(door: OuterDoor) -> None:
    with pytest.raises(InvalidStatus):
        await connect(f"ws://127.0.0.1:{door.port}/ws/v1/?token={token()}")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://example.org.evil.example", "http://example.org", "null"],
)
async def test_a_foreign_origin_is_refused(door: OuterDoor, origin: str) -> None:
    assert await door.refused(origin=origin) == 403


@pytest.mark.parametrize("origin", [None, "https://example.org", "https://a.shop.example"])
async def test_a_listed_or_absent_origin_passes(door: OuterDoor, origin: str | None) -> None:
    guest = await door.enter(origin=origin)

    await guest.hear("welcome")


async def test_an_expired_token_is_told_in_the_close(door: OuterDoor) -> None:
    guest = await door.enter(token(exp=int(time.time()) - 10))

    code, reason = await guest.closed()
    assert (code, reason["retry_after_ms"]) == (4005, 0)


async def test_a_banned_user_is_told_in_the_close(door: OuterDoor) -> None:
    later = (int(time.time()) + 60) * 1000
    door.valkey.zadd(keys.bans("demo"), {"user:ann": later})
    guest = await door.enter()

    code, reason = await guest.closed()
    assert code == 4503
    assert "retry_after_ms" not in reason


async def test_too_many_connections_are_told_in_the_close(door: OuterDoor) -> None:
    door.valkey.hset(keys.LIMITS, "user.open_connections", "1")
    first = await door.enter()
    await first.hear("welcome")
    second = await door.enter()

    assert (await second.closed())[0] == 4504


async def test_connecting_too_fast_says_when_to_come_back(door: OuterDoor) -> None:
    door.valkey.hset(keys.LIMITS, "user.connections", "1:60000:1")
    await (await door.enter()).hear("welcome")
    code, reason = await (await door.enter()).closed()

    assert code == 4013
    assert reason["retry_after_ms"] > 0


async def test_another_subprotocol_is_not_spoken(door: OuterDoor) -> None:
    guest = await door.enter(subprotocols=["rtai.v9", f"rtai.token.{token()}"])

    assert (await guest.closed())[0] == 4501


async def test_a_kick_closes_the_session_at_once_and_no_other(door: OuterDoor) -> None:
    guest, other = await door.enter(), await door.enter()
    welcome = await guest.hear("welcome")
    bans_redis.close_sessions(door.valkey, "demo", "session", welcome["session"])

    code, reason = await guest.closed()
    assert code == 4503
    assert "retry_after_ms" not in reason
    await other.subscribe()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_frame"),
        ("not json", "bad_frame"),
        ("[" * 10_000, "bad_frame"),
        ('{"type":"shout"}', "unknown_type"),
        (" " * (64 * 1024 + 1), "too_large"),
        (b"\x00\x01", "bad_frame"),
    ],
)
async def test_bad_frames_are_answered_and_keep_the_socket(
    door: OuterDoor, text: str | bytes, code: str
) -> None:
    guest = await door.enter()
    await guest.socket.send(text)
    assert (await guest.hear("error"))["code"] == code

    await guest.subscribe()


async def test_a_flood_is_closed(door: OuterDoor) -> None:
    guest = await door.enter()
    lines = "\n".join(['{"type":"pong"}'] * 500)
    for _ in range(20):
        await guest.socket.send(lines)

    assert (await guest.closed())[0] == 4013


async def test_a_drain_sends_everybody_away_with_a_time_to_return(
    own: sse_guests.Door, room: str
) -> None:
    door = OuterDoor(own, room)
    guests = [await door.enter(token(f"u{number}")) for number in range(5)]
    for guest in guests:
        await guest.hear("welcome")
    own.process.send_signal(signal.SIGTERM)

    for guest in guests:
        code, reason = await guest.closed()
        assert code == 4001
        assert reason["retry_after_ms"] > 0
    assert await asyncio.to_thread(own.process.wait, 20) == 0
    assert own.valkey.zcard(keys.sessions("demo")) == 0


async def test_a_session_counts_for_the_address_behind_a_trusted_proxy(
    own: sse_guests.Door, room: str
) -> None:
    door = OuterDoor(own, room)
    forwarded = {"X-Forwarded-For": "1.1.1.1, 198.51.100.7"}
    guest = await door.enter(additional_headers=forwarded)
    session = (await guest.hear("welcome"))["session"]
    expected = addresses.hashed(settings.RTAI_SECRETS["addresses"], "198.51.100.7")

    assert door.valkey.hget(keys.session(session), "address") == expected
    await door.leave()


async def test_a_session_counts_for_its_own_address_where_no_proxy_is_trusted(
    door: OuterDoor,
) -> None:
    guest = await door.enter(additional_headers={"X-Forwarded-For": "198.51.100.7"})
    session = (await guest.hear("welcome"))["session"]
    expected = addresses.hashed(settings.RTAI_SECRETS["addresses"], "127.0.0.1")

    assert door.valkey.hget(keys.session(session), "address") == expected


async def test_a_stream_that_is_switched_off_is_unsubscribed_at_once(door: OuterDoor) -> None:
    guest = await door.enter()
    await guest.subscribe()
    door.valkey.sadd(SWITCHED_OFF, door.room)

    told = await guest.hear("unsubscribed")
    await guest.ask("message", ref="r", text="Hello?")

    assert told == {"type": "unsubscribed", "stream": door.room, "reason": "not_found"}
    assert (await guest.hear("error"))["code"] == "not_found"


async def test_recent_frames_follow_the_subscription_that_asks_for_them(door: OuterDoor) -> None:
    ann = await door.enter()
    for number in range(3):
        await ann.ask("message", ref=f"r{number}", text=f"text {number}")
        await door.decide(Action.ALLOW)
    bob = await door.enter(token("bob"))

    assert (await bob.subscribe(recent=2))["offset"] == 3
    assert [(await bob.hear("message"))["text"] for _ in range(2)] == ["text 1", "text 2"]


async def test_typing_reaches_the_others_only(door: OuterDoor) -> None:
    ann, bob = await door.enter(), await door.enter(token("bob"))
    for guest in (ann, bob):
        await guest.subscribe()
    await ann.ask("typing")

    assert await bob.hear("typing") == {"type": "typing", "stream": door.room, "user": "ann"}
    await ann.say("nonsense")
    assert [frame["type"] for frame in await ann.until("error")] == ["error"]


async def test_presence_tells_who_is_there_and_then_who_comes_and_goes(door: OuterDoor) -> None:
    ann = await door.enter()
    await ann.subscribe()
    await ann.ask("presence")
    here = {"id": "ann", "name": "Ann"}
    assert await ann.hear("presence") == {
        "type": "presence", "stream": door.room, "count": 1, "users": [here],
    }  # fmt: skip
    bob = await door.enter(token("bob"))
    await bob.subscribe()
    joined = await ann.hear("joined")
    await bob.socket.close()

    there = {"stream": door.room, "user": {"id": "bob", "name": "Bob"}}
    assert joined == {"type": "joined", **there}
    assert await ann.hear("left") == {"type": "left", **there}
    assert door.valkey.zcard(users_key("demo", door.room)) == 1


async def test_a_refresh_keeps_the_connection_open_beyond_its_first_token(
    door: OuterDoor,
) -> None:
    ends = int(time.time()) + 2
    ann = await door.enter(token(exp=ends))
    await ann.subscribe()
    await ann.say("refresh", token=token(role="moderator"))
    assert (await ann.hear("refreshed"))["expires_at"].endswith("Z")
    await until(lambda: time.time() > ends + 1)
    await ann.ask("message", ref="r", text="Still here.")
    await door.decide(Action.ALLOW)

    assert "scores" in await ann.hear("message")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (lambda: token("bob"), "forbidden"),
        (lambda: "nonsense", "unauthorized"),
        (lambda: token(exp=1), "unauthorized"),
    ],
    ids=["another user", "nonsense", "expired"],
)
async def test_a_refresh_that_is_refused_keeps_the_socket(
    door: OuterDoor, given: Callable[[], str], code: str
) -> None:
    ann = await door.enter()
    await ann.say("refresh", token=given())

    assert (await ann.hear("error"))["code"] == code
    await ann.subscribe()


async def test_a_frame_over_a_mebibyte_is_closed_with_1009(door: OuterDoor) -> None:
    guest = await door.enter()
    await guest.hear("welcome")
    await guest.socket.send(" " * (1024 * 1024 + 1))

    assert (await guest.closed())[0] == 1009


async def test_whoever_comes_during_a_drain_meets_the_gateway_that_drains(
    inside: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await lifespan.gateway()
    held, released = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        held.set()
        await released.wait()

    monkeypatch.setattr(gateway, "_gone", hold)
    draining = asyncio.create_task(lifespan.drain())
    await held.wait()

    assert await lifespan.gateway() is gateway
    assert (await gateway.readiness.answer()).reason == "Shutting down."
    code, reason = await (await inside.enter()).closed()
    assert (code, reason["retry_after_ms"]) == (4001, 1_000)
    released.set()
    await draining


async def test_one_whose_connection_opens_as_a_drain_begins_is_sent_away(
    inside: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await lifespan.gateway()
    opened = gateway.store.open

    async def drained_meanwhile(client: Client, id: str) -> None:
        await opened(client, id)
        gateway.draining = True

    monkeypatch.setattr(gateway.store, "open", drained_meanwhile)
    code, reason = await (await inside.enter()).closed()

    assert code == 4001
    assert 100 <= reason["retry_after_ms"] <= 1_000


async def test_a_full_redis_is_told_and_nothing_is_stored(
    inside: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = await inside.enter()
    await guest.hear("welcome")
    gateway = await lifespan.gateway()
    monkeypatch.setattr(gateway.ports.admission, "_max_pending", 0)
    await guest.ask("message", ref="r1", text="hi")
    error = await guest.hear("error")

    assert (error["code"], error["ref"], error["retryable"]) == ("overloaded", "r1", True)


async def test_a_refusal_is_a_401_where_the_server_can_say_so(inside: Door) -> None:
    visitor = WebsocketCommunicator(websocket_application, "/ws/v1/")
    visitor.scope["extensions"] = {"websocket.http.response": {}}
    await visitor.send_input({"type": "websocket.connect"})
    start = await visitor.receive_output()
    body = await visitor.receive_output()
    await visitor.wait()

    assert start["status"] == 401
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert body["body"] == b"There is no token."


@pytest.mark.parametrize(
    ("code", "returns"),
    [(1000, False), (1001, False), (1005, False), (1009, True), (1011, False), (3000, False),
     (3999, False), (4000, True), (4499, True), (4500, False), (4999, False)],
)  # fmt: skip
def test_a_client_says_by_its_code_whether_it_comes_back(code: int, returns: bool) -> None:
    assert consumers.means_to_return(code) is returns
