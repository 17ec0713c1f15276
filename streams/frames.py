"""The wire, inwards: what a client may say, validated before anything else sees it.

A WebSocket text frame holds one JSON object, or several separated by newlines.
Unknown fields are ignored, so that clients may be newer than the server;
known fields are checked strictly.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from inference.errors import BadFrame, NotFound, RtaiError, TooLarge, UnknownType

MAX_FRAME_BYTES = 64 * 1024
MAX_TEXT = 10_000
"""Code points of one message."""
MAX_REF = 64
MAX_TOKEN = 16 * 1024
MAX_RECENT = 100
MAX_OFFSET = 2**63 - 1
STREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")


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
class Generate:
    ref: str


@dataclass(frozen=True, slots=True)
class Cancel:
    name: str
    """The `ref` or `id` of a generation."""


@dataclass(frozen=True, slots=True)
class Resume:
    id: str
    start: int


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


def parse(text: str) -> list[Frame | Refused]:
    """The frames of one WebSocket text frame, in order; never raises and never returns none."""
    if _size(text) > MAX_FRAME_BYTES:
        return [Refused(TooLarge(f"A frame has at most {MAX_FRAME_BYTES} bytes."))]
    try:
        return [_frame(_decode(text))]
    except BadFrame as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) < 2:
            return [Refused(error)]
    return [_line(line) for line in lines]


def _line(line: str) -> Frame | Refused:
    try:
        return _frame(_decode(line))
    except BadFrame as error:
        return Refused(error)


def _size(text: str) -> int:
    # Four bytes a character at most: short frames need no counting.
    if len(text) * 4 <= MAX_FRAME_BYTES:
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
        kind = _text(found, "type", 32)
        if (read := _READERS.get(kind)) is None:
            raise UnknownType(f"There is no frame of the type {kind!r}.")
        return read(found)
    except RtaiError as error:
        return Refused(error, _known_ref(found))


def _known_ref(found: Mapping[str, Any]) -> str | None:
    try:
        return _text(found, "ref", MAX_REF)
    except RtaiError:
        return None


def _text(found: Mapping[str, Any], field: str, longest: int) -> str:
    value = found.get(field)
    if not isinstance(value, str) or not value:
        raise BadFrame(f"{field!r} must be a text that is not empty.")
    if len(value) > longest:
        error = TooLarge if field == "text" else BadFrame
        raise error(f"{field!r} has at most {longest} characters.")
    if "\0" in value:
        raise BadFrame(f"{field!r} may not hold the character NUL.")
    if not value.isascii():
        _refuse_surrogates(field, value)
    return value


def _refuse_surrogates(field: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadFrame(f"{field!r} holds half of a surrogate pair.") from None


def _number(found: Mapping[str, Any], field: str, largest: int) -> int:
    value = found.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= largest:
        raise BadFrame(f"{field!r} must be a whole number from 0 to {largest}.")
    return value


def _stream(found: Mapping[str, Any]) -> str:
    """The stream's name; one that cannot exist is not found."""
    name = found.get("stream")
    if not isinstance(name, str) or not name:
        raise BadFrame("'stream' must be a stream's name.")
    if not STREAM_NAME.fullmatch(name):
        raise NotFound("There is no such stream.")
    return name


def _position(found: Mapping[str, Any]) -> Position | None:
    since = found.get("since")
    if since is None:
        return None
    if not isinstance(since, dict) or not isinstance(since.get("epoch"), str):
        raise BadFrame("'since' must be an object with 'epoch' and 'offset'.")
    return Position(since["epoch"][:64], _number(since, "offset", MAX_OFFSET))


def _subscribe(found: Mapping[str, Any]) -> Subscribe:
    since = _position(found)
    if found.get("recent") is None:
        return Subscribe(_stream(found), since)
    if since is not None:
        raise BadFrame("A subscription has 'since' or 'recent', not both.")
    return Subscribe(_stream(found), None, _number(found, "recent", MAX_RECENT))


def _send(found: Mapping[str, Any]) -> Send:
    return Send(_stream(found), _text(found, "ref", MAX_REF), _text(found, "text", MAX_TEXT))


def _cancel(found: Mapping[str, Any]) -> Cancel:
    return Cancel(_text(found, "id" if "id" in found else "ref", MAX_REF))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Frame]] = {
    "subscribe": _subscribe,
    "unsubscribe": lambda found: Unsubscribe(_stream(found)),
    "message": _send,
    "remove": lambda found: Remove(_stream(found), _text(found, "id", MAX_REF)),
    "typing": lambda found: Typing(_stream(found)),
    "generate": lambda found: Generate(_text(found, "ref", MAX_REF)),
    "cancel": _cancel,
    "resume": lambda found: Resume(_text(found, "id", MAX_REF), _number(found, "from", MAX_OFFSET)),
    "presence": lambda found: AskPresence(_stream(found)),
    "refresh": lambda found: Refresh(_text(found, "token", MAX_TOKEN)),
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
