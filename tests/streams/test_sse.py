"""Event streams over real sockets, on both servers as processes, with a real Valkey; no worker."""

import asyncio
import secrets
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from inference import connection_redis
from policy.policy import Action
from streams import bans_redis, keys
from streams.removal_redis import RedisRemoval
from tests.rtai_project.waiting import wait_until
from tests.streams.people import a_client
from tests.streams.sse_guests import Door, bearer, token


def test_the_first_event_is_subscribed_and_then_every_frame_has_its_id(
    sse: Door, room: str
) -> None:
    events = sse.listen(room, token("bob"))
    first = next(iter(events))
    (id,) = sse.tell(room, "Hello 👋\r\ndata: not a field")
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
    sse: Door, room: str
) -> None:
    ann, moderator = sse.listen(room), sse.listen(room, token("mod", role="moderator"))
    for each in (ann, moderator):
        each.hear("subscribed")
    answer = sse.say(room, "maybe", ref="r1").json()
    assert answer == {"id": answer["id"], "ref": "r1", "stream": room}
    sse.decide(Action.FLAG)

    verdict = ann.hear("verdict")
    assert (verdict.id, verdict.data["action"], verdict.data["ref"]) == ("", "allow", "r1")
    assert "scores" in moderator.hear("message").data
    again = sse.say(room, "maybe", ref="r1")
    assert again.json()["id"] == answer["id"]
    assert again.json()["verdict"] == verdict.data


def test_a_blocked_message_reaches_nobody_but_its_author(sse: Door, room: str) -> None:
    ann, bob = sse.listen(room), sse.listen(room, token("bob"))
    for each in (ann, bob):
        each.hear("subscribed")
    sse.say(room, "bad")
    sse.decide(Action.BLOCK)
    assert ann.hear("verdict").data["action"] == "block"
    sse.tell(room, "good")

    event = next(iter(bob))
    assert (event.type, event.data["text"]) == ("message", "good")


@pytest.mark.parametrize("how", ["header", "parameter"])
def test_a_client_recovers_what_it_missed(sse: Door, room: str, how: str) -> None:
    position = sse.listen(room, token("bob")).hear("subscribed").id
    sse.opened.close()
    sse.tell(room, "one", "two", "three")
    options: dict[str, Any] = {"params": {"last_event_id": position}}
    if how == "header":
        options = {"headers": {"Last-Event-ID": position}, "params": {"recent": "5"}}
    events = sse.listen(room, token("bob"), **options)

    subscribed = events.hear("subscribed")
    got = [events.hear("message") for _ in range(3)]
    assert (subscribed.id, subscribed.data["recovered"]) == (position, True)
    assert subscribed.data["offset"] == 3
    assert [event.data["text"] for event in got] == ["one", "two", "three"]
    assert [event.id.rpartition(":")[2] for event in got] == ["1", "2", "3"]


@pytest.mark.parametrize("id", ["{epoch}:99", "other:0"], ids=["future", "epoch"])
def test_a_position_that_cannot_be_recovered_is_told_first(sse: Door, room: str, id: str) -> None:
    sse.tell(room, "before")
    epoch = str(sse.valkey.hget(keys.position("demo", room), "epoch"))
    events = sse.listen(room, headers={"Last-Event-ID": id.format(epoch=epoch)})
    first = next(iter(events))
    sse.tell(room, "after")

    assert (first.type, first.data["recovered"], first.id) == ("subscribed", False, f"{epoch}:1")
    assert events.hear("message").data["text"] == "after"


def test_recent_frames_come_first_where_they_are_asked_for(sse: Door, room: str) -> None:
    sse.tell(room, "one", "two", "three")
    events = sse.listen(room, params={"recent": "2"})

    assert events.hear("subscribed").id == ""
    assert [events.hear("message").data["text"] for _ in range(2)] == ["two", "three"]


def test_a_removed_text_is_never_recovered(sse: Door, room: str) -> None:
    position = sse.listen(room, token("bob")).hear("subscribed").id
    (id,) = sse.tell(room, "regretted")
    sse.opened.close()
    _remove(room, id)
    events = sse.listen(room, token("bob"), headers={"Last-Event-ID": position})

    got = [event for _, event in zip(range(3), events, strict=False)]
    assert [event.type for event in got] == ["subscribed", "removed", "removed"]
    assert [event.data["offset"] for event in got[1:]] == [1, 2]
    assert "regretted" not in str(got)


def _remove(room: str, id: str) -> None:
    """As a WebSocket's `remove` does it."""

    async def run() -> None:
        await RedisRemoval(settings.RTAI_REDIS_URL).remove(a_client(user="ann"), room, id)
        await connection_redis.async_client(settings.RTAI_REDIS_URL).aclose()

    asyncio.run(run())


def test_a_stream_is_a_session_while_it_lasts(sse: Door, room: str) -> None:
    user = secrets.token_hex(4)
    sse.listen(room, token(user)).hear("subscribed")
    sessions = sse.valkey.zrange(keys.user_sessions("demo", user), 0, -1)
    assert len(sessions) == 1
    assert sse.valkey.zrange(keys.stream_sessions("demo", room), 0, -1) == sessions
    sse.opened.close()

    wait_until(
        lambda: not sse.valkey.zcard(keys.user_sessions("demo", user)), "the session is gone"
    )


def test_a_ban_ends_the_stream_and_refuses_the_next(sse: Door, room: str) -> None:
    user = secrets.token_hex(4)
    events = sse.listen(room, token(user))
    events.hear("subscribed")
    until = (int(time.time()) + 60) * 1000
    bans_redis.ban(sse.valkey, "demo", "user", user, until)

    assert events.hear("close").data["code"] == 4503
    assert list(events) == []
    for answer in (
        sse.get(f"streams/{room}", headers=bearer(token(user))),
        sse.say(room, "hi", token(user)),
        sse.http.post("/sse/v1/tickets", headers=bearer(token(user))),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_end_of_the_token_ends_the_stream(sse: Door, room: str) -> None:
    events = sse.listen(room, token(exp=int(time.time()) + 2))
    end = events.hear("close").data

    assert (end["code"], end["reason"]["code"]) == (4005, "token_expired")
    assert list(events) == []


def test_other_paths_are_still_djangos(sse: Door) -> None:
    assert sse.http.get("/healthz").json() == {"alive": True}


@pytest.mark.parametrize("name", ["daphne", "uvicorn"])
def test_a_drain_ends_all_streams_with_a_time_to_return(
    tmp_path: Path, valkey: Any, name: str
) -> None:
    sse = Door(name, tmp_path / "log")
    try:
        rooms = [sse.listen("room", token(f"u{number}")) for number in range(3)]
        for events in rooms:
            events.hear("subscribed")
        sse.process.send_signal(signal.SIGTERM)
        for events in rooms:
            end = events.hear("close").data
            assert end["code"] == 4001
            assert events.retry[-1] == end["reason"]["retry_after_ms"] > 0
            assert list(events) == []
        assert sse.process.wait(20) == 0
        assert valkey.zcard(keys.sessions("demo")) == 0
    finally:
        sse.end()


def test_nothing_depends_on_which_server_a_request_reaches(tmp_path: Path, valkey: Any) -> None:
    with ExitStack() as ends:
        one, other = (Door(name, tmp_path / name) for name in ("daphne", "uvicorn"))
        ends.callback(one.end)
        ends.callback(other.end)
        here, there = one.listen("room"), other.listen("room")
        position = here.hear("subscribed").id
        there.hear("subscribed")
        one.tell("room", "first")
        for events in (here, there):
            assert events.hear("message").id.endswith(":1")
            assert events.hear("verdict").data["action"] == "allow"
        ticket = one.ticket(user="bob")
        params = {"ticket": ticket, "last_event_id": position}
        again = other.listen("room", "", params=params)

        assert again.hear("subscribed").data["recovered"]
        assert again.hear("message").data["text"] == "first"
        assert one.get("streams/room", params=params).status_code == 401
