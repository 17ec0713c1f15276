"""Frames as Server-Sent Events."""

import json

import pytest

from inference.errors import BadFrame
from streams import events, replies
from streams.closes import Close, CloseCode, close
from streams.fields import MAX_OFFSET
from streams.frames import Position, Subscribe
from streams.verdict_frames import dumps

FRAME = dumps({"type": "message", "stream": "lobby", "epoch": "e1", "offset": 7, "text": "hé\n"})
SUBSCRIBED = replies.subscribed("lobby", Position("e1", 9), recovered=True)


def test_a_frame_with_an_offset_has_an_id() -> None:
    expected = f"id: e1:7\nevent: message\ndata: {FRAME}\n\n"

    assert events.event(FRAME) == expected.encode()


@pytest.mark.parametrize("kind", ["verdict", "typing"])
def test_a_frame_without_an_offset_has_none(kind: str) -> None:
    frame = dumps({"type": kind, "stream": "lobby", "text": '"epoch":"x","offset":1'})

    assert events.event(frame) == f"event: {kind}\ndata: {frame}\n\n".encode()


def test_a_ping_is_a_comment() -> None:
    assert events.event(replies.PING) == b": ping\n\n"


def test_a_large_frame_is_encoded_like_a_small_one() -> None:
    frame = dumps(
        {"type": "message", "stream": "s", "epoch": "e", "offset": 1, "text": "x" * 20_000}
    )

    assert events.event(frame).startswith(b"id: e:1\nevent: message\ndata: {")


@pytest.mark.parametrize(
    ("asked", "id"),
    [
        (Subscribe("lobby"), b"id: e1:9\n"),
        (Subscribe("lobby", Position("e1", 4)), b"id: e1:4\n"),
        (Subscribe("lobby", None, 5), b""),
    ],
    ids=["fresh", "recovered", "recent"],
)
def test_the_first_id_is_where_the_events_after_it_go_on(asked: Subscribe, id: bytes) -> None:
    expected = id + f"event: subscribed\ndata: {SUBSCRIBED}\n\n".encode()

    assert events.subscribed(SUBSCRIBED, asked) == expected


def test_what_is_not_recovered_goes_on_from_the_streams_position() -> None:
    frame = replies.subscribed("lobby", Position("e2", 3), recovered=False)

    assert events.subscribed(frame, Subscribe("lobby", Position("e1", 4))).startswith(b"id: e2:3\n")


def test_the_last_event_says_why_and_when_to_return() -> None:
    found = events.close(close(CloseCode.SHUTDOWN, "Going.", retry_after_ms=700)).decode()
    retry, event, data, *_ = found.split("\n")

    assert (retry, event) == ("retry: 700", "event: close")
    assert json.loads(data.removeprefix("data: ")) == {
        "type": "close", "code": 4001,
        "reason": {"code": "shutdown", "retry_after_ms": 700, "detail": "Going."},
    }  # fmt: skip


def test_the_last_event_needs_no_reason() -> None:
    assert events.close(Close(4503, "")) == (
        b'event: close\ndata: {"type":"close","code":4503,"reason":{}}\n\n'
    )


@pytest.mark.parametrize(
    ("id", "expected"),
    [
        ("", None),
        ("e1:0", Position("e1", 0)),
        ("a:b:12", Position("a:b", 12)),
        (f"e:{MAX_OFFSET}", Position("e", MAX_OFFSET)),
        (f"e:{MAX_OFFSET + 1}", Position("e", MAX_OFFSET)),
        ("e:" + "9" * 40, Position("e", MAX_OFFSET)),
    ],
)
def test_an_id_names_a_position(id: str, expected: Position | None) -> None:
    assert events.position(id) == expected


@pytest.mark.parametrize("id", ["e", ":1", "e:", "e:-1", "e:1 ", " e:1", "e:" + "9" * 41])
def test_what_is_no_id_is_told(id: str) -> None:
    with pytest.raises(BadFrame):
        events.position(id)
