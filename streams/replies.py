"""The wire, outwards: the frames a session answers with; see `verdict_frames` for the rest."""

from collections.abc import Sequence
from typing import Any

from inference.errors import RtaiError
from streams.frames import Position
from streams.verdict_frames import dumps, rfc3339

PING = '{"type":"ping"}'


def _frame(type: str, **fields: Any) -> str:
    return dumps({"type": type, **fields})


def welcome(session: str, heartbeat_s: float, max_frame_bytes: int, now_ms: int) -> str:
    return _frame(
        "welcome",
        session=session,
        heartbeat_s=heartbeat_s,
        max_frame_bytes=max_frame_bytes,
        server_time=rfc3339(now_ms),
    )


def subscribed(stream: str, at: Position, recovered: bool) -> str:
    """`at` is the stream's position; missed frames follow and end there."""
    return _frame(
        "subscribed",
        stream=stream,
        epoch=at.epoch,
        offset=at.offset,
        recovered=recovered,
        running=[],
    )


def unsubscribed(stream: str, reason: str = "") -> str:
    """`reason` is an error's code, where the client did not ask for it."""
    return _frame("unsubscribed", stream=stream, **({"reason": reason} if reason else {}))


def accepted(ref: str, id: str, stream: str) -> str:
    return _frame("accepted", ref=ref, id=id, stream=stream)


def refreshed(expires_ms: int) -> str:
    return _frame("refreshed", expires_at=rfc3339(expires_ms))


def typing(stream: str, user: str) -> str:
    return _frame("typing", stream=stream, user=user)


def joined(stream: str, user: str, name: str) -> str:
    return _frame("joined", stream=stream, user={"id": user, "name": name})


def left(stream: str, user: str, name: str) -> str:
    return _frame("left", stream=stream, user={"id": user, "name": name})


def presence(stream: str, count: int, users: Sequence[tuple[str, str]] | None) -> str:
    """`users` are id and name; None above the limit, where only the count is told."""
    found = {} if users is None else {"users": [{"id": id, "name": name} for id, name in users]}
    return _frame("presence", stream=stream, count=count, **found)


def error(error: RtaiError, ref: str | None = None) -> str:
    """The answer to a frame that could not be served; the connection stays."""
    found: dict[str, Any] = {} if ref is None else {"ref": ref}
    found |= {"code": error.code, "detail": error.detail, "retryable": error.retryable}
    if error.retry_after_ms is not None:
        found["retry_after_ms"] = error.retry_after_ms
    return _frame("error", **found)
