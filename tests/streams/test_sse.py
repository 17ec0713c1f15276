"""Event streams over real sockets, on both servers as processes, with a real Valkey; no worker."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from django.conf import settings

from inference import connection_redis
from policy import keys as policy_keys
from policy.messages_redis import MessageStore
from policy.policy import Action
from streams import bans_redis, keys, tokens_jwt
from streams.publisher_redis import RedisPublisher
from streams.tokens import Claims
from tests.builders import a_verdict
from tests.rtai_project.waiting import free_port, wait_until
from tests.streams.sse_door import Events


def token(user: str = "ann", **changes: Any) -> str:
    values: dict[str, Any] = {
        "site": "demo", "sub": user, "name": user.title(), "streams": ("*",), "role": "member",
        "exp": int(time.time()) + 300,
    }  # fmt: skip
    return tokens_jwt.mint(settings.RTAI_SECRETS["tokens"], Claims(**{**values, **changes}))


def bearer(given: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {given}"}


class Door:
    """A server of our application, and what stands in for its workers."""

    def __init__(self, server: str, log: Path) -> None:
        self.server = server
        self.port = free_port()
        self.log = log
        self.valkey: redis.Redis = connection_redis.client(settings.RTAI_REDIS_URL)
        self.publisher = RedisPublisher(self.valkey, lambda site, stream: (2_000, 600))
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10
        )
        self.opened = ExitStack()
        self.listening: list[Events] = []
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.streams.sse_door", server, str(self.port)],
                stdout=output, stderr=output,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "rtai_project.settings"},
            )  # fmt: skip
        wait_until(self._listens, "the server listens", seconds=60)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stream(self, room: str, given: str | None = None, **options: Any) -> httpx.Response:
        """An answer whose body is still to come."""
        headers = bearer(token() if given is None else given) | options.pop("headers", {})
        response = self.http.stream("GET", f"/sse/v1/streams/{room}", headers=headers, **options)
        return self.opened.enter_context(response)

    def listen(self, room: str, given: str | None = None, **options: Any) -> Events:
        response = self.stream(room, given, **options)
        assert response.status_code == 200, response.read()
        self.listening.append(Events(response))
        return self.listening[-1]

    def say(self, room: str, text: str, given: str | None = None, ref: str = "") -> httpx.Response:
        return self.http.post(
            f"/sse/v1/streams/{room}/messages",
            json={"ref": ref or secrets.token_hex(4), "text": text},
            headers=bearer(token() if given is None else given),
        )

    def decide(self, action: Action = Action.ALLOW) -> None:
        """Stands in for the worker: decides what was accepted."""
        wait_until(lambda: bool(self.valkey.zcard(policy_keys.PENDING)), "a message waits")
        ids = [str(id) for id in self.valkey.zrange(policy_keys.PENDING, 0, -1)]
        for message in MessageStore(self.valkey).undecided(ids):
            self.publisher.publish([a_verdict(action, message=message)])

    def tell(self, room: str, *texts: str) -> list[str]:
        """Publishes messages; their ids."""
        ids = []
        for text in texts:
            answer = self.say(room, text)
            assert answer.status_code == 202, answer.text
            ids.append(str(answer.json()["id"]))
            self.decide()
        return ids

    def ticket(self, **changes: Any) -> str:
        answer = self.http.post("/sse/v1/tickets", headers=bearer(token(**changes)))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ticket"])

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(f"/sse/v1/{path}", **options)


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Door]:
    connection_redis.client(settings.RTAI_REDIS_URL).flushall()
    made = Door(request.param, tmp_path_factory.mktemp("sse") / "log")
    yield made
    made.http.close()
    made.process.kill()
    made.process.wait()


@pytest.fixture
def door(server: Door) -> Iterator[Door]:
    server.opened, server.listening = ExitStack(), []
    old = [*server.valkey.keys("rtai:mailbox:*"), *server.valkey.keys("rtai:ref:*")]
    server.valkey.delete(keys.LIMITS, keys.bans("demo"), *old)
    yield server
    server.opened.close()
    server.valkey.delete(keys.LIMITS, keys.bans("demo"))


@pytest.fixture
def room() -> str:
    return f"room-{secrets.token_hex(4)}"


def test_the_first_event_is_subscribed_and_then_every_frame_has_its_id(
    door: Door, room: str
) -> None:
    events = door.listen(room, token("bob"))
    first = next(iter(events))
    (id,) = door.tell(room, "Hello 👋\r\ndata: not a field")
    event = events.hear("message")

    assert (first.type, first.data["recovered"], first.data["running"]) == ("subscribed", True, [])
    assert first.id == f"{first.data['epoch']}:0"
    assert event.id == f"{event.data['epoch']}:1"
    assert (event.data["id"], event.data["type"]) == (id, "message")
    assert event.data["text"] == "Hello 👋\r\ndata: not a field"
    assert event.data["author"] == {"id": "ann", "name": "Ann", "kind": "user"}
    assert 1_000 <= events.retry[0] <= 5_000
    headers = events.response.headers
    assert headers["content-type"].startswith("text/event-stream")
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")


def test_authors_and_moderators_hear_verdicts_and_others_hear_nothing_of_them(
    door: Door, room: str
) -> None:
    ann, moderator = door.listen(room), door.listen(room, token("mod", role="moderator"))
    for each in (ann, moderator):
        each.hear("subscribed")
    answer = door.say(room, "maybe", ref="r1").json()
    assert answer == {"id": answer["id"], "ref": "r1", "stream": room}
    door.decide(Action.FLAG)

    verdict = ann.hear("verdict")
    assert (verdict.id, verdict.data["action"], verdict.data["ref"]) == ("", "allow", "r1")
    assert "scores" in moderator.hear("message").data
    again = door.say(room, "maybe", ref="r1")
    assert again.json()["id"] == answer["id"]
    assert again.json()["verdict"] == verdict.data


def test_a_blocked_message_reaches_nobody_but_its_author(door: Door, room: str) -> None:
    ann, bob = door.listen(room), door.listen(room, token("bob"))
    for each in (ann, bob):
        each.hear("subscribed")
    door.say(room, "bad")
    door.decide(Action.BLOCK)
    assert ann.hear("verdict").data["action"] == "block"
    door.tell(room, "good")

    event = next(iter(bob))
    assert (event.type, event.data["text"]) == ("message", "good")


@pytest.mark.parametrize("how", ["header", "parameter"])
def test_a_client_recovers_what_it_missed(door: Door, room: str, how: str) -> None:
    position = door.listen(room, token("bob")).hear("subscribed").id
    door.opened.close()
    door.tell(room, "one", "two", "three")
    options: dict[str, Any] = {"params": {"last_event_id": position}}
    if how == "header":
        options = {"headers": {"Last-Event-ID": position}, "params": {"recent": "5"}}
    events = door.listen(room, token("bob"), **options)

    subscribed = events.hear("subscribed")
    got = [events.hear("message") for _ in range(3)]
    assert (subscribed.id, subscribed.data["recovered"]) == (position, True)
    assert subscribed.data["offset"] == 3
    assert [event.data["text"] for event in got] == ["one", "two", "three"]
    assert [event.id.rpartition(":")[2] for event in got] == ["1", "2", "3"]


@pytest.mark.parametrize("id", ["{epoch}:99", "other:0"], ids=["future", "epoch"])
def test_a_position_that_cannot_be_recovered_is_told_first(door: Door, room: str, id: str) -> None:
    door.tell(room, "before")
    epoch = str(door.valkey.hget(keys.position("demo", room), "epoch"))
    events = door.listen(room, headers={"Last-Event-ID": id.format(epoch=epoch)})
    first = next(iter(events))
    door.tell(room, "after")

    assert (first.type, first.data["recovered"], first.id) == ("subscribed", False, f"{epoch}:1")
    assert events.hear("message").data["text"] == "after"


def test_recent_frames_come_first_where_they_are_asked_for(door: Door, room: str) -> None:
    door.tell(room, "one", "two", "three")
    events = door.listen(room, params={"recent": "2"})

    assert events.hear("subscribed").id == ""
    assert [events.hear("message").data["text"] for _ in range(2)] == ["two", "three"]


def test_a_removed_text_is_never_recovered(door: Door, room: str) -> None:
    from streams.clients import Client

    position = door.listen(room, token("bob")).hear("subscribed").id
    (id,) = door.tell(room, "regretted")
    door.opened.close()
    _remove(door, room, id, Client)
    events = door.listen(room, token("bob"), headers={"Last-Event-ID": position})

    got = [event for _, event in zip(range(3), events, strict=False)]
    assert [event.type for event in got] == ["subscribed", "removed", "removed"]
    assert [event.data["offset"] for event in got[1:]] == [1, 2]
    assert "regretted" not in str(got)


def _remove(door: Door, room: str, id: str, client: Any) -> None:
    """As a WebSocket's `remove` does it."""
    import asyncio

    from streams.removal_redis import RedisRemoval

    ann = client(
        site="demo", user="ann", name="Ann", role="member", streams=frozenset("*"),
        session="", address="", expires_ms=0,
    )  # fmt: skip

    async def run() -> None:
        await RedisRemoval(settings.RTAI_REDIS_URL).remove(ann, room, id)
        await connection_redis.async_client(settings.RTAI_REDIS_URL).aclose()

    asyncio.run(run())


def test_a_stream_is_a_session_while_it_lasts(door: Door, room: str) -> None:
    user = secrets.token_hex(4)
    door.listen(room, token(user)).hear("subscribed")
    sessions = door.valkey.zrange(keys.user_sessions("demo", user), 0, -1)
    assert len(sessions) == 1
    assert door.valkey.zrange(keys.stream_sessions("demo", room), 0, -1) == sessions
    door.opened.close()

    wait_until(
        lambda: not door.valkey.zcard(keys.user_sessions("demo", user)), "the session is gone"
    )


def test_a_ban_ends_the_stream_and_refuses_the_next(door: Door, room: str) -> None:
    user = secrets.token_hex(4)
    events = door.listen(room, token(user))
    events.hear("subscribed")
    until = (int(time.time()) + 60) * 1000
    bans_redis.ban(door.valkey, "demo", "user", user, until)

    assert events.hear("close").data["code"] == 4503
    assert list(events) == []
    for answer in (
        door.get(f"streams/{room}", headers=bearer(token(user))),
        door.say(room, "hi", token(user)),
        door.http.post("/sse/v1/tickets", headers=bearer(token(user))),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_end_of_the_token_ends_the_stream(door: Door, room: str) -> None:
    events = door.listen(room, token(exp=int(time.time()) + 2))
    end = events.hear("close").data

    assert (end["code"], end["reason"]["code"]) == (4005, "token_expired")
    assert list(events) == []


def test_other_paths_are_still_djangos(door: Door) -> None:
    assert door.http.get("/healthz").json() == {"alive": True}


def test_a_drain_ends_all_streams_with_a_time_to_return(tmp_path: Path, valkey: Any) -> None:
    for name in ("daphne", "uvicorn"):
        door = Door(name, tmp_path / name)
        try:
            rooms = [door.listen("room", token(f"u{number}")) for number in range(3)]
            for events in rooms:
                events.hear("subscribed")
            door.process.send_signal(signal.SIGTERM)
            for events in rooms:
                end = events.hear("close").data
                assert end["code"] == 4001
                assert events.retry[-1] == end["reason"]["retry_after_ms"] > 0
                assert list(events) == []
            assert door.process.wait(20) == 0
            assert valkey.zcard(keys.sessions("demo")) == 0
        finally:
            door.opened.close()
            door.http.close()
            door.process.kill()
            door.process.wait()
