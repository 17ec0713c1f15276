"""The wire, outwards: the frames a session answers with; see `verdict_frames` for the rest."""

from collections.abc import Mapping, Sequence
from typing import Any

from generation.generations import FinishReason, Usage
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


def subscribed(
    stream: str,
    at: Position,
    recovered: bool,
    running: Sequence[Mapping[str, str]] = (),
    assistant: Mapping[str, str] | None = None,
) -> str:
    """`at` is the stream's position; missed frames follow and end there.

    `running` are the answers under way, each with its `id`, its owner's id and its text so far;
    `assistant` is who gives them, None where there is none.
    """
    return _frame(
        "subscribed",
        stream=stream,
        epoch=at.epoch,
        offset=at.offset,
        recovered=recovered,
        running=list(running),
        assistant=assistant,
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


def start(ref: str, id: str, stream: str, model: str, user: str) -> str:
    """An answer begins; `user` asked for it, and only they are told the `ref`."""
    about = {"id": id, "stream": stream or None, "model": model, "user": user}
    return _frame("start", ref=ref or None, **about)


def token(id: str, start: int, text: str) -> str:
    """A piece of an answer after its first `start` characters."""
    return _frame("token", id=id, **{"from": start}, text=text)


def done(ref: str, id: str, reason: FinishReason, usage: Usage) -> str:
    """An answer's end; the `ref` tells those who asked of one that never started."""
    found = {"ref": ref} if ref else {}
    tokens = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }
    return _frame("done", id=id, **found, finish_reason=reason.value, usage=tokens)


def error(error: RtaiError, ref: str = "", id: str = "") -> str:
    """The answer to a frame that could not be served, with its `ref` or `id` where it had one."""
    found: dict[str, Any] = {"ref": ref} if ref else {}
    found |= {"id": id} if id else {}
    found |= {"code": error.code, "detail": error.detail, "retryable": error.retryable}
    if error.retry_after_ms is not None:
        found["retry_after_ms"] = error.retry_after_ms
    return _frame("error", **found)
