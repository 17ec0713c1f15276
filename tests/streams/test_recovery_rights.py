"""Whoever comes back to a stream is authorised again, on both servers: a position is no right."""

import time
from typing import Any

import pytest

from streams import bans_redis, keys
from tests.streams.guests import Guest, enter
from tests.streams.sse_door import SWITCHED_OFF
from tests.streams.sse_guests import Door, bearer, token


def missed(sse: Door, room: str, guest: Guest) -> dict[str, Any]:
    """The position of a subscriber, after which two frames were published."""
    found = guest.subscribe(room)
    sse.tell(room, "one", "two")
    return {"epoch": found["epoch"], "offset": found["offset"]}


def refused(guest: Guest, room: str, since: dict[str, Any]) -> str:
    """The code of the error that a subscription from there gets; no frame of the stream comes."""
    guest.frames.clear()
    guest.say(type="subscribe", stream=room, since=since)
    code = str(guest.hear("error")["code"])
    guest.say(type="nonsense")
    guest.hear("error")
    assert guest.frames == []
    return code


@pytest.fixture
def bob(sse: Door) -> Guest:
    return enter(sse, token("bob"))


def test_a_refresh_without_the_stream_ends_its_recovery(sse: Door, room: str, bob: Guest) -> None:
    since = missed(sse, room, bob)
    bob.say(type="refresh", token=token("bob", streams=("elsewhere",)))
    told = bob.hear("unsubscribed")
    bob.hear("refreshed")

    assert told == {"type": "unsubscribed", "stream": room, "reason": "forbidden"}
    assert refused(bob, room, since) == "forbidden"
    sse.tell(room, "three")
    assert refused(bob, room, since) == "forbidden"
    bob.say(type="refresh", token=token("bob"))
    bob.hear("refreshed")
    assert bob.subscribe(room, since=since)["recovered"]
    assert [bob.hear("message")["text"] for _ in range(3)] == ["one", "two", "three"]


def test_a_new_connection_recovers_only_what_its_token_grants(
    sse: Door, room: str, bob: Guest
) -> None:
    since = missed(sse, room, bob)
    again = enter(sse, token("bob", streams=("elsewhere",)))

    assert refused(again, room, since) == "forbidden"


def test_a_stream_that_was_switched_off_is_not_recovered(sse: Door, room: str, bob: Guest) -> None:
    since = missed(sse, room, bob)
    sse.valkey.sadd(SWITCHED_OFF, room)
    assert bob.hear("unsubscribed")["reason"] == "not_found"

    assert refused(bob, room, since) == "not_found"
    assert refused(enter(sse, token("bob")), room, since) == "not_found"


def test_one_who_was_banned_recovers_nothing(sse: Door, room: str, bob: Guest) -> None:
    since = missed(sse, room, bob)
    bans_redis.ban(sse.valkey, "demo", "user", "bob", (int(time.time()) + 60) * 1000)
    assert bob.close_code() == 4503
    again = enter(sse, token("bob"))

    assert again.close_code() == 4503
    assert again.frames == []
    assert not sse.valkey.zcard(keys.stream_sessions("demo", room))
    position = {"Last-Event-ID": f"{since['epoch']}:{since['offset']}"}
    answer = sse.get(f"streams/{room}", headers=bearer(token("bob")) | position)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_moderator_who_is_none_any_more_recovers_without_scores(sse: Door, room: str) -> None:
    moderator = enter(sse, token("mod", role="moderator"))
    since = missed(sse, room, moderator)
    assert "scores" in moderator.hear("message")
    moderator.say(type="refresh", token=token("mod"))
    moderator.hear("refreshed")
    moderator.frames.clear()
    assert moderator.subscribe(room, since=since)["recovered"]

    frames = [moderator.hear("message") for _ in range(2)]
    assert [frame["text"] for frame in frames] == ["one", "two"]
    assert not [frame for frame in frames if {"scores", "action"} & frame.keys()]
