"""What clients see of a verdict: the author's view, the moderator's view, and the message."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from policy.messages import Message

Stored = Mapping[str, Any]
"""A verdict as `policy.verdicts.as_json` writes it."""


def rfc3339(ms: int) -> str:
    """A time in UTC with milliseconds, from milliseconds since the Unix epoch."""
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dumps(frame: Mapping[str, Any]) -> str:
    """A frame as compact JSON; raises orjson.JSONEncodeError for what JSON cannot say."""
    return orjson.dumps(frame).decode()


def verdict_frame(ref: str, id: str, stored: Stored, *, moderator: bool) -> dict[str, Any]:
    """The `verdict` frame: authors see the action and the rules that caused it,
    moderators all of it."""
    action = stored["action"]
    frame = {
        "type": "verdict",
        "ref": ref,
        "id": id,
        "action": "allow" if action == "flag" else action,
        "reasons": [] if action == "flag" else [{"rule": rule} for rule in stored["causes"]],
    }
    if moderator:
        frame |= {name: stored[name] for name in ("action", "reasons", "scores", "models")}
        frame["timing_ms"] = stored["timing_ms"]
        if stored.get("low_confidence"):
            frame["low_confidence"] = True
    if stored["by"] == "moderator":
        frame["by"] = "moderator"
    return frame


def message_parts(message: Message, stored: Stored, *, moderator: bool) -> tuple[str, str]:
    """The `message` frame as JSON in two parts: epoch and offset go between them."""
    approved_later = stored["by"] == "moderator"
    sent_ms = stored["decided_ms"] if approved_later else message.accepted_ms
    head = {"type": "message", "stream": message.stream}
    author = {"id": message.author.id, "name": message.author.name, "kind": message.author.kind}
    tail = {
        "id": message.id,
        "author": author,
        "text": message.text,
        "sent_at": rfc3339(sent_ms),
    }
    if moderator:
        tail |= {"action": stored["action"], "scores": stored["scores"]}
    return dumps(head)[:-1] + ",", "," + dumps(tail)[1:]
