"""Each frame has exactly the fields that the protocol names, on both servers: live, recovered and
recent."""

from collections.abc import Callable
from typing import Any

import pytest

from policy.policy import Action
from tests.streams.guests import Guest, enter
from tests.streams.sse_guests import Door, token

Frame = dict[str, Any]
PLACE = {"type", "stream", "epoch", "offset", "id"}
MESSAGE = {*PLACE, "author.id", "author.name", "author.kind", "text", "sent_at"}
VERDICT = {"type", "ref", "id", "action", "reasons.rule"}
MODERATION = {"scores.moderation", "models.moderation", "timing_ms.total"}
FIELDS = {
    ("visitor", "message"): MESSAGE,
    ("moderator", "message"): {*MESSAGE, "action", "scores.moderation"},
    ("visitor", "removed"): {*PLACE, "by"},
    ("moderator", "removed"): {*PLACE, "by"},
    ("visitor", "verdict"): VERDICT,
    ("moderator", "verdict"): {*VERDICT, *MODERATION, "reasons.label", "reasons.score"},
    ("visitor", "joined"): {"type", "stream", "user.id", "user.name"},
    ("visitor", "left"): {"type", "stream", "user.id", "user.name"},
}


def fields(frame: Frame) -> set[str]:
    """Names of a frame's fields, with those of the objects in it."""
    found = set[str]()
    for name, value in frame.items():
        inner = value[0] if isinstance(value, list) and value else value
        found |= {f"{name}.{each}" for each in inner} if isinstance(inner, dict) else {name}
    return found


class Case:
    """A visitor and a moderator in a stream."""

    def __init__(self, sse: Door, room: str) -> None:
        self.sse, self.room = sse, room
        self.start: Frame = {}
        self.guests = {
            "visitor": self.subscribed("bob"), "moderator": self.subscribed("mod", "moderator")
        }  # fmt: skip

    def subscribed(self, user: str, role: str = "member") -> Guest:
        guest = enter(self.sse, token(user, role=role))
        self.start = guest.subscribe(self.room)
        return guest

    def say(self, guest: Guest, action: Action) -> str:
        """A message that is decided so; its id."""
        guest.say(type="message", stream=self.room, ref="r", text="Hello.")
        id = str(guest.hear("accepted")["id"])
        self.sse.decide(action)
        return id

    def message(self, who: str) -> Frame:
        self.say(self.guests[who], Action.FLAG)
        return self.guests[who].hear("message")

    def removed(self, who: str) -> Frame:
        id = self.say(self.guests[who], Action.ALLOW)
        self.guests[who].hear("message")
        self.guests[who].say(type="remove", stream=self.room, id=id)
        return self.guests[who].hear("removed")

    def verdict(self, who: str) -> Frame:
        self.say(self.guests[who], Action.BLOCK)
        return self.guests[who].hear("verdict")

    def joined(self, who: str) -> Frame:
        self.guests[who].say(type="presence", stream=self.room)
        self.guests[who].hear("presence")
        self.guest = self.subscribed("eve")
        return self.guests[who].hear("joined")

    def left(self, who: str) -> Frame:
        self.joined(who)
        self.guest.socket.close()
        return self.guests[who].hear("left")


@pytest.fixture
def case(sse: Door, room: str) -> Case:
    return Case(sse, room)


@pytest.mark.parametrize(("who", "kind"), FIELDS, ids=[" ".join(each[::-1]) for each in FIELDS])
def test_a_frame_has_exactly_its_fields(case: Case, who: str, kind: str) -> None:
    make: Callable[[str], Frame] = getattr(case, kind)

    assert fields(make(who)) == FIELDS[who, kind]


@pytest.mark.parametrize("who", ["visitor", "moderator"])
def test_a_frame_from_history_has_the_fields_of_a_live_one(case: Case, who: str) -> None:
    live = case.message(who)
    guest = case.guests[who]
    since = {"epoch": case.start["epoch"], "offset": 0}
    for how in ({"since": since}, {"recent": 1}):
        guest.frames.clear()
        guest.subscribe(case.room, **how)
        assert guest.hear("message") == live
    assert fields(live) == FIELDS[who, "message"]


def test_a_message_that_was_removed_comes_from_history_with_the_fields_of_removed(
    case: Case,
) -> None:
    case.removed("visitor")
    guest = enter(case.sse, token("late"))
    guest.subscribe(case.room, since={"epoch": case.start["epoch"], "offset": 0})

    frames = [guest.hear("removed") for _ in range(2)]
    assert [fields(frame) for frame in frames] == [FIELDS["visitor", "removed"]] * 2


def test_an_event_stream_carries_the_same_fields(case: Case) -> None:
    events = case.sse.listen(case.room, token("mod", role="moderator"))
    events.hear("subscribed")
    frame = case.message("moderator")

    assert events.hear("message").data == frame
