"""Server-Sent Events: the same frames as over a WebSocket, one event each, with an id to recover
from where the frame has an offset."""

import json
import re
from functools import lru_cache

from inference.errors import BadFrame
from streams.closes import Close
from streams.fields import MAX_OFFSET
from streams.frames import Position, Subscribe
from streams.verdict_frames import dumps

PING = b": ping\n\n"
"""A comment: it keeps the connection, and proxies on the way, from falling asleep."""
MAX_CACHED = 16 * 1024
_HEAD = re.compile(
    r'\{"type":"([a-z]+)"(?:,"stream":"[^"]*","epoch":"([^"\\]*)","offset":([0-9]+))?'
)
_ID = re.compile(r"([\x21-\x7e]{1,64}):([0-9]{1,40})")


def position(id: str) -> Position | None:
    """The place that an event's id names; None for an empty one; raises BadFrame."""
    if not id:
        return None
    found = _ID.fullmatch(id)
    if found is None:
        raise BadFrame("An event's id is EPOCH:OFFSET.")
    return Position(found[1], min(int(found[2]), MAX_OFFSET))


def event(frame: str) -> bytes:
    """One frame as an event: the same bytes for every client."""
    return _shared(frame) if len(frame) <= MAX_CACHED else _encode(frame)


def subscribed(frame: str, asked: Subscribe) -> bytes:
    """The first event. Its id is the place that the events after it go on from.

    Where recent frames follow it has none: whoever loses the connection between asks again.
    """
    found = json.loads(frame)
    at = Position(found["epoch"], found["offset"])
    if asked.since is not None and found["recovered"]:
        at = asked.since
    return (b"" if asked.recent else _id(at.epoch, at.offset)) + _named("subscribed", frame)


def retry(ms: int) -> bytes:
    """How long a client should wait before it comes back."""
    return b"retry: %d\n\n" % ms


def close(why: Close) -> bytes:
    """The last event: the close code and reason that a WebSocket would have got."""
    reason = json.loads(why.reason or "{}")
    wait_ms = reason.get("retry_after_ms")
    head = b"retry: %d\n" % wait_ms if wait_ms else b""
    return head + _named("close", dumps({"type": "close", "code": why.code, "reason": reason}))


def _encode(frame: str) -> bytes:
    head = _HEAD.match(frame)
    if head is None:
        return _named("message", frame)
    if head[1] == "ping":
        return PING
    return (_id(head[2], head[3]) if head[2] else b"") + _named(head[1], frame)


_shared = lru_cache(maxsize=256)(_encode)


def _id(epoch: str, offset: int | str) -> bytes:
    return f"id: {epoch}:{offset}\n".encode()


def _named(name: str, frame: str) -> bytes:
    return f"event: {name}\ndata: {frame}\n\n".encode()
