"""The WebSocket edge over a real socket, a real server and a real Valkey; no worker."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis
import uvicorn
from channels.testing import WebsocketCommunicator
from django.conf import settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from policy import keys as policy_keys
from policy.messages_redis import MessageStore
from policy.policy import Action
from rtai_project.celery import app as celery_app
from streams import keys, lifespan, limits_db, tokens_jwt
from streams.clients import Client
from streams.directory import SiteInfo
from streams.publisher_redis import RedisPublisher
from streams.routing import websocket_application
from streams.tokens import Claims
from tests.builders import a_verdict
from tests.rtai_project.waiting import free_port
from tests.streams.fakes import FakeDirectory

SITE = SiteInfo("demo", "Demo", "pk_demo", ("https://example.org", "https://*.shop.example"))


class Directory(FakeDirectory):
    def __init__(self, url: str) -> None:
        super().__init__()

    def refresh(self) -> None: ...

    def site(self, slug: str) -> SiteInfo | None:
        return SITE if slug == "demo" else None


def token(user: str = "ann", **changes: Any) -> str:
    values: dict[str, Any] = {
        "site": "demo", "sub": user, "name": user.title(), "streams": ("*",), "role": "member",
        "exp": int(time.time()) + 300,
    }  # fmt: skip
    return tokens_jwt.mint(settings.RTAI_SECRETS["tokens"], Claims(**{**values, **changes}))


class Door:
    """A server of our application in this process."""

    def __init__(self, valkey: redis.Redis) -> None:
        self.valkey = valkey
        self.port = free_port()
        self.publisher = RedisPublisher(valkey, lambda site, stream: (2_000, 600))
        config = uvicorn.Config(
            websocket_application, port=self.port, lifespan="off", ws="websockets-sansio",
            ws_per_message_deflate=False, log_config=None,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.sockets: list[ClientConnection] = []

    async def enter(self, given: str | None = None, **options: Any) -> "Guest":
        protocols = ["rtai.v1", f"rtai.token.{token() if given is None else given}"]
        options = {"subprotocols": protocols, **options}
        socket = await connect(f"ws://127.0.0.1:{self.port}/ws/v1/", **options)
        self.sockets.append(socket)
        return Guest(socket)

    async def refused(self, given: str | None = None, **options: Any) -> int:
        with pytest.raises(InvalidStatus) as caught:
            await self.enter(given, **options)
        return int(caught.value.response.status_code)

    async def decide(self, action: Action, count: int = 1) -> None:
        """Stands in for the worker: decides what was accepted."""
        async with asyncio.timeout(5):
            while self.valkey.zcard(policy_keys.PENDING) < count:
                await asyncio.sleep(0.01)
        ids = [str(id) for id in self.valkey.zrange(policy_keys.PENDING, 0, -1)]
        for message in MessageStore(self.valkey).undecided(ids):
            self.publisher.publish([a_verdict(action, message=message)])


class Guest:
    """A client on its socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next frame of this type; what comes before it is skipped."""
        async with asyncio.timeout(10):
            while True:
                while self.frames:
                    if (frame := self.frames.pop(0))["type"] == kind:
                        return frame
                data = await self.socket.recv()
                self.frames += [json.loads(line) for line in str(data).split("\n")]

    async def subscribe(self, **fields: Any) -> dict[str, Any]:
        await self.say(type="subscribe", stream="lobby", **fields)
        return await self.hear("subscribed")

    async def closed(self) -> tuple[int, dict[str, Any]]:
        """Code and reason of the close that comes."""
        with pytest.raises(ConnectionClosed) as caught:
            await self.hear("the end")
        assert caught.value.rcvd is not None
        reason = caught.value.rcvd.reason
        return caught.value.rcvd.code, json.loads(reason) if reason else {}


@pytest.fixture
async def door(valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    monkeypatch.setattr(lifespan, "CachedDirectory", Directory)
    monkeypatch.setattr(limits_db, "ensure_synced", lambda: None)
    made = Door(valkey)
    serving = asyncio.create_task(made.server.serve())
    async with asyncio.timeout(10):
        while not made.server.started:
            await asyncio.sleep(0.01)
    yield made
    await lifespan.drain()
    for socket in made.sockets:
        await socket.close()
    made.server.should_exit = True
    await serving
    celery_app.close()


async def test_the_server_speaks_rtai_v1_and_welcomes(door: Door) -> None:
    guest = await door.enter()
    welcome = await guest.hear("welcome")

    assert guest.socket.subprotocol == "rtai.v1"
    assert welcome["heartbeat_s"] == 25
    assert door.valkey.exists(keys.session(welcome["session"]))


async def test_a_message_is_accepted_published_to_all_and_decided_for_its_author(
    door: Door,
) -> None:
    ann, bob = await door.enter(), await door.enter(token("bob"))
    moderator = await door.enter(token("mod", role="moderator"))
    for guest in (ann, bob, moderator):
        await guest.subscribe()
    await ann.say(type="message", stream="lobby", ref="r1", text="Hello 👋")
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


async def test_a_blocked_message_reaches_nobody_else(door: Door) -> None:
    ann, bob = await door.enter(), await door.enter(token("bob"))
    for guest in (ann, bob):
        await guest.subscribe()
    await ann.say(type="message", stream="lobby", ref="r1", text="bad")
    await door.decide(Action.BLOCK)
    assert (await ann.hear("verdict"))["action"] == "block"
    await ann.say(type="message", stream="lobby", ref="r2", text="good")
    await door.decide(Action.ALLOW)

    assert (await bob.hear("message"))["text"] == "good"


async def test_two_sessions_of_one_user_hear_the_verdict_and_a_later_one_does_not(
    door: Door,
) -> None:
    first, second = await door.enter(), await door.enter()
    for guest in (first, second):
        await guest.subscribe()
    await first.say(type="message", stream="lobby", ref="r1", text="hi")
    await door.decide(Action.HOLD)
    for guest in (first, second):
        assert (await guest.hear("verdict"))["action"] == "hold"
    async with asyncio.timeout(5):
        while door.valkey.hlen(keys.mailbox("demo", "ann")):
            await asyncio.sleep(0.01)

    third = await door.enter()
    await third.subscribe()
    await third.say(type="nonsense")
    await third.hear("error")
    assert third.frames == []


async def test_a_verdict_follows_its_author_to_the_next_subscription(door: Door) -> None:
    ann = await door.enter()
    await ann.say(type="message", stream="lobby", ref="r1", text="hi")
    await ann.hear("accepted")
    await ann.socket.close()
    async with asyncio.timeout(5):
        while door.valkey.zcard(keys.sessions("demo")):
            await asyncio.sleep(0.01)
    await door.decide(Action.HOLD)

    again = await door.enter()
    await again.subscribe()
    assert (await again.hear("verdict"))["ref"] == "r1"


async def test_a_client_recovers_what_it_missed(door: Door) -> None:
    ann, bob = await door.enter(), await door.enter(token("bob"))
    position = await bob.subscribe()
    await bob.socket.close()
    for number in range(3):
        await ann.say(type="message", stream="lobby", ref=f"r{number}", text=f"text {number}")
        await door.decide(Action.ALLOW)

    again = await door.enter(token("bob"))
    since = {"epoch": position["epoch"], "offset": position["offset"]}
    assert (await again.subscribe(since=since))["recovered"]
    got = [await again.hear("message") for _ in range(3)]
    assert [frame["offset"] for frame in got] == [1, 2, 3]
    assert [frame["text"] for frame in got] == ["text 0", "text 1", "text 2"]


async def test_a_removed_text_is_not_recovered(door: Door) -> None:
    ann = await door.enter()
    position = await ann.subscribe()
    await ann.say(type="message", stream="lobby", ref="r1", text="regretted")
    await door.decide(Action.ALLOW)
    message = await ann.hear("message")
    await ann.say(type="remove", stream="lobby", id=message["id"])
    removed = await ann.hear("removed")
    assert (removed["id"], removed["offset"], removed["by"]) == (message["id"], 2, "author")

    bob = await door.enter(token("bob"))
    await bob.subscribe(since={"epoch": position["epoch"], "offset": 0})
    assert [(await bob.hear("removed"))["offset"] for _ in range(2)] == [1, 2]
    assert not any("regretted" in str(frame) for frame in bob.frames)


async def test_a_program_may_send_its_token_in_a_header(door: Door) -> None:
    header = {"Authorization": f"Bearer {token()}"}
    guest = await door.enter(subprotocols=None, additional_headers=header)

    await guest.hear("welcome")
    assert guest.socket.subprotocol is None


@pytest.mark.parametrize(
    "given",
    ["", "nonsense", "a.b.c", token(site="elsewhere"), token()[:-3] + "abc"],
    ids=["missing", "nonsense", "parts", "site", "signature"],
)
async def test_a_token_that_is_not_genuine_is_refused(door: Door, given: str) -> None:
    assert await door.refused(given) in (401, 403)


async def test_a_token_in_the_url_does_not_count(door: Door) -> None:
    with pytest.raises(InvalidStatus):
        await connect(f"ws://127.0.0.1:{door.port}/ws/v1/?token={token()}")


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://example.org.evil.example", "http://example.org", "null"],
)
async def test_a_foreign_origin_is_refused(door: Door, origin: str) -> None:
    assert await door.refused(origin=origin) == 403


@pytest.mark.parametrize("origin", [None, "https://example.org", "https://a.shop.example"])
async def test_a_listed_or_absent_origin_passes(door: Door, origin: str | None) -> None:
    guest = await door.enter(origin=origin)

    await guest.hear("welcome")


async def test_an_expired_token_is_told_in_the_close(door: Door) -> None:
    guest = await door.enter(token(exp=int(time.time()) - 10))

    code, reason = await guest.closed()
    assert (code, reason["retry_after_ms"]) == (4005, 0)


async def test_a_banned_user_is_told_in_the_close(door: Door) -> None:
    later = (int(time.time()) + 60) * 1000
    door.valkey.zadd(keys.bans("demo"), {"user:ann": later})
    guest = await door.enter()

    code, reason = await guest.closed()
    assert code == 4503
    assert "retry_after_ms" not in reason


async def test_too_many_connections_are_told_in_the_close(door: Door) -> None:
    door.valkey.hset(keys.LIMITS, "user.open_connections", "1")
    first = await door.enter()
    await first.hear("welcome")
    second = await door.enter()

    assert (await second.closed())[0] == 4504


async def test_connecting_too_fast_says_when_to_come_back(door: Door) -> None:
    door.valkey.hset(keys.LIMITS, "user.connections", "1:60000:1")
    await (await door.enter()).hear("welcome")
    code, reason = await (await door.enter()).closed()

    assert code == 4013
    assert reason["retry_after_ms"] > 0


async def test_another_subprotocol_is_not_spoken(door: Door) -> None:
    guest = await door.enter(subprotocols=["rtai.v9", f"rtai.token.{token()}"])

    assert (await guest.closed())[0] == 4501


async def test_a_kick_closes_the_session_at_once(door: Door) -> None:
    guest = await door.enter()
    welcome = await guest.hear("welcome")
    gateway = await lifespan.gateway()
    await gateway.bus.send(
        keys.site_group("demo"),
        {
            "type": "session.close", "session": welcome["session"], "user": "", "address": "",
            "code": 4503, "reason": "{}",
        },
    )  # fmt: skip

    assert (await guest.closed())[0] == 4503


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
    door: Door, text: str | bytes, code: str
) -> None:
    guest = await door.enter()
    await guest.socket.send(text)
    assert (await guest.hear("error"))["code"] == code

    await guest.subscribe()


async def test_a_flood_is_closed(door: Door) -> None:
    guest = await door.enter()
    lines = "\n".join(['{"type":"pong"}'] * 500)
    for _ in range(20):
        await guest.socket.send(lines)

    assert (await guest.closed())[0] == 4013


async def test_a_drain_sends_everybody_away_with_a_time_to_return(door: Door) -> None:
    guests = [await door.enter(token(f"u{number}")) for number in range(5)]
    for guest in guests:
        await guest.hear("welcome")
    draining = asyncio.create_task(lifespan.drain())

    for guest in guests:
        code, reason = await guest.closed()
        assert code == 4001
        assert reason["retry_after_ms"] > 0
    await draining
    assert door.valkey.zcard(keys.sessions("demo")) == 0


async def test_whoever_comes_during_a_drain_meets_the_gateway_that_drains(
    door: Door, monkeypatch: pytest.MonkeyPatch
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
    code, reason = await (await door.enter()).closed()
    assert (code, reason["retry_after_ms"]) == (4001, 1_000)
    released.set()
    await draining


async def test_one_whose_connection_opens_as_a_drain_begins_is_sent_away(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = await lifespan.gateway()
    opened = gateway.store.open

    async def drained_meanwhile(client: Client, id: str) -> None:
        await opened(client, id)
        gateway.draining = True

    monkeypatch.setattr(gateway.store, "open", drained_meanwhile)
    code, reason = await (await door.enter()).closed()

    assert code == 4001
    assert 100 <= reason["retry_after_ms"] <= 1_000


async def test_a_full_redis_is_told_and_nothing_is_stored(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = await door.enter()
    await guest.hear("welcome")
    gateway = await lifespan.gateway()
    monkeypatch.setattr(gateway.ports.admission, "_max_pending", 0)
    await guest.say(type="message", stream="lobby", ref="r1", text="hi")
    error = await guest.hear("error")

    assert (error["code"], error["ref"], error["retryable"]) == ("overloaded", "r1", True)


async def test_a_refusal_is_a_401_where_the_server_can_say_so(door: Door) -> None:
    visitor = WebsocketCommunicator(websocket_application, "/ws/v1/")
    visitor.scope["extensions"] = {"websocket.http.response": {}}
    await visitor.send_input({"type": "websocket.connect"})
    start = await visitor.receive_output()
    body = await visitor.receive_output()
    await visitor.wait()

    assert start["status"] == 401
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    assert body["body"] == b"There is no token."


async def test_a_session_counts_for_the_address_behind_a_trusted_proxy(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ipaddress import ip_network

    from streams import addresses

    monkeypatch.setattr(settings, "RTAI_TRUSTED_PROXIES", (ip_network("127.0.0.0/8"),))
    guest = await door.enter(additional_headers={"X-Forwarded-For": "1.1.1.1, 198.51.100.7"})
    session = (await guest.hear("welcome"))["session"]
    expected = addresses.hashed(settings.RTAI_SECRETS["addresses"], "198.51.100.7")

    assert door.valkey.hget(keys.session(session), "address") == expected


async def test_a_stream_that_is_switched_off_is_unsubscribed_at_once(door: Door) -> None:
    guest = await door.enter()
    await guest.subscribe()
    gateway = await lifespan.gateway()
    del gateway.directory.streams["demo", "lobby"]  # type: ignore[attr-defined]

    told = await guest.hear("unsubscribed")
    await guest.say(type="message", stream="lobby", ref="r", text="Hello?")

    assert told == {"type": "unsubscribed", "stream": "lobby", "reason": "not_found"}
    assert (await guest.hear("error"))["code"] == "not_found"
