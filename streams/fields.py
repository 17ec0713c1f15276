"""One field of a client's frame at a time: its value, or BadFrame with what it should be."""

import math
import re
from collections.abc import Mapping
from typing import Any

from inference.errors import BadFrame, NotFound, TooLarge

MAX_REF = 64
MAX_OFFSET = 2**63 - 1
STREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
LONG_TEXTS = {"text", "content"}
"""Fields whose excess is `too_large`; any other's is a mistake."""


def text(found: Mapping[str, Any], field: str, longest: int) -> str:
    """A text of 1 to `longest` code points that a database can store."""
    value = found.get(field)
    if not isinstance(value, str) or not value:
        raise BadFrame(f"{field!r} must be a text that is not empty.")
    if len(value) > longest:
        error = TooLarge if field in LONG_TEXTS else BadFrame
        raise error(f"{field!r} has at most {longest} characters.")
    if "\0" in value:
        raise BadFrame(f"{field!r} may not hold the character NUL.")
    if not value.isascii():
        _refuse_surrogates(field, value)
    return value


def whole(found: Mapping[str, Any], field: str, largest: float = math.inf, least: int = 0) -> int:
    """A whole number in a range."""
    value = found.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= largest:
        most = "" if largest == math.inf else f" to {largest}"
        raise BadFrame(f"{field!r} must be a whole number from {least}{most}.")
    return value


def number(found: Mapping[str, Any], field: str, largest: float) -> float:
    """A number from 0 to `largest`."""
    value = found.get(field)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= largest:
        raise BadFrame(f"{field!r} must be a number from 0 to {largest:g}.")
    return float(value)


def stream(found: Mapping[str, Any]) -> str:
    """The stream's name; one that cannot exist is not found."""
    name = found.get("stream")
    if not isinstance(name, str) or not name:
        raise BadFrame("'stream' must be a stream's name.")
    if not STREAM_NAME.fullmatch(name):
        raise NotFound("There is no such stream.")
    return name


def _refuse_surrogates(field: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadFrame(f"{field!r} holds half of a surrogate pair.") from None
