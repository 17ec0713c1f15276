"""The wire, inwards: what a client may say, validated before anything else sees it.

A WebSocket text frame holds one JSON object, or several separated by newlines.
Unknown fields are ignored, so that clients may be newer than the server;
known fields are checked strictly.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from inference.errors import BadFrame, RtaiError, TooLarge, UnknownType
from streams import fields, generate_frames
from streams.fields import MAX_OFFSET, MAX_REF
from streams.generate_frames import Cancel, Generate, Resume

MAX_FRAME_BYTES = 64 * 1024
MAX_TEXT = 10_000
"""Code points of one message."""
MAX_TOKEN = 16 * 1024
MAX_RECENT = 100


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a stream."""

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Attach to a stream; from a position on, with some recent frames, or from now on."""

    stream: str
    since: Position | None = None
    recent: int = 0


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    stream: str


@dataclass(frozen=True, slots=True)
class Send:
    """A text to judge and, if allowed, to publish."""

    stream: str
    ref: str
    text: str


@dataclass(frozen=True, slots=True)
class Remove:
    stream: str
    id: str


@dataclass(frozen=True, slots=True)
class Typing:
    stream: str


@dataclass(frozen=True, slots=True)
class AskPresence:
    stream: str


@dataclass(frozen=True, slots=True)
class Refresh:
    token: str


@dataclass(frozen=True, slots=True)
class Pong:
    pass


Frame: TypeAlias = (
    Subscribe
    | Unsubscribe
    | Send
    | Remove
    | Typing
    | Generate
    | Cancel
    | Resume
    | AskPresence
    | Refresh
    | Pong
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A frame that was not understood, with what to answer."""

    error: RtaiError
    ref: str | None = None


def binary(size: int) -> RtaiError:
    """What is wrong with a binary frame: its size, or else that it is one."""
    return _too_large() if size > MAX_FRAME_BYTES else BadFrame("Frames are text.")


def _too_large() -> TooLarge:
    return TooLarge(f"A frame has at most {MAX_FRAME_BYTES} bytes.")


def parse(text: str) -> list[Frame | Refused]:
    """The frames of one WebSocket text frame, in order; never raises and never returns none."""
    if _size(text) > MAX_FRAME_BYTES:
        return [Refused(_too_large())]
    try:
        return [_frame(_decode(text))]
    except BadFrame as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2:
            return [_refused(error)]
    return [_line(line) for line in lines]


def _line(line: str) -> Frame | Refused:
    try:
        return _frame(_decode(line))
    except BadFrame as error:
        return _refused(error)


def _refused(error: RtaiError, ref: str | None = None) -> Refused:
    """Without where it came from: the calls that led there refer to their session, and to it. What
    the JSON parser raised before leads there too, and holds the whole text."""
    error.__traceback__ = error.__context__ = None
    return Refused(error, ref)


def _size(text: str) -> int:
    # Four bytes a character at most: short frames need no counting.
    if len(text) * 4 <= MAX_FRAME_BYTES or text.isascii():
        return len(text)
    return len(text.encode("utf-8", "surrogatepass"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON.")


def _decode(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise BadFrame("The frame is nested too deeply.") from None
    except ValueError:
        raise BadFrame("The frame is not JSON.") from None
    if not isinstance(found, dict):
        raise BadFrame("The frame is not a JSON object.")
    return found


def _frame(found: Mapping[str, Any]) -> Frame | Refused:
    """Validates one decoded object; a failure carries the object's `ref` where it has one."""
    try:
        kind = found.get("type")
        if not isinstance(kind, str) or not kind:
            raise BadFrame("'type' must be a text that is not empty.")
        if (read := _READERS.get(kind)) is None:
            raise UnknownType(f"There is no frame of the type {kind[:32]!r}.")
        return read(found)
    except RtaiError as error:
        return _refused(error, _known_ref(found))


def _known_ref(found: Mapping[str, Any]) -> str | None:
    try:
        return fields.text(found, "ref", MAX_REF)
    except RtaiError:
        return None


def _position(found: Mapping[str, Any]) -> Position | None:
    since = found.get("since")
    if since is None:
        return None
    if not isinstance(since, dict) or not isinstance(since.get("epoch"), str):
        raise BadFrame("'since' must be an object with 'epoch' and 'offset'.")
    # However far in the future an offset is, it only is no place in the history.
    offset = min(fields.whole(since, "offset"), MAX_OFFSET)
    return Position(since["epoch"][:64], offset)


def _subscribe(found: Mapping[str, Any]) -> Subscribe:
    since = _position(found)
    if found.get("recent") is None:
        return Subscribe(fields.stream(found), since)
    if since is not None:
        raise BadFrame("A subscription has 'since' or 'recent', not both.")
    return Subscribe(fields.stream(found), None, fields.whole(found, "recent", MAX_RECENT))


def _send(found: Mapping[str, Any]) -> Send:
    stream, ref = fields.stream(found), fields.text(found, "ref", MAX_REF)
    return Send(stream, ref, fields.text(found, "text", MAX_TEXT))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Frame]] = {
    "subscribe": _subscribe,
    "unsubscribe": lambda found: Unsubscribe(fields.stream(found)),
    "message": _send,
    "remove": lambda found: Remove(fields.stream(found), fields.text(found, "id", MAX_REF)),
    "typing": lambda found: Typing(fields.stream(found)),
    "generate": generate_frames.generate,
    "cancel": generate_frames.cancel,
    "resume": generate_frames.resume,
    "presence": lambda found: AskPresence(fields.stream(found)),
    "refresh": lambda found: Refresh(fields.text(found, "token", MAX_TOKEN)),
    "pong": lambda found: Pong(),
}
KINDS = (*_READERS, "unknown")
"""Frame types as metrics count them."""
_NAMES: Mapping[type, str] = {
    Subscribe: "subscribe",
    Unsubscribe: "unsubscribe",
    Send: "message",
    Remove: "remove",
    Typing: "typing",
    Generate: "generate",
    Cancel: "cancel",
    Resume: "resume",
    AskPresence: "presence",
    Refresh: "refresh",
    Pong: "pong",
}


def kind(frame: Frame | Refused) -> str:
    """The frame's `type`; `unknown` for one that was not understood."""
    return _NAMES.get(type(frame), "unknown")
