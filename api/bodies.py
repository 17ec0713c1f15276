"""The JSON object that a request carries, read from ASGI's messages."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from inference.errors import BadFrame, TooLarge


async def json_object(
    receive: Callable[[], Awaitable[Mapping[str, Any]]], most: int
) -> Mapping[str, Any]:
    """Raises BadFrame, and TooLarge over `most` bytes, before it has read much more."""
    found = bytearray()
    while (message := await receive())["type"] == "http.request":
        found += message.get("body", b"")
        if len(found) > most:
            raise TooLarge(f"The body has more than {most} bytes.")
        if not message.get("more_body"):
            break
    try:
        decoded = json.loads(found)
    except (ValueError, RecursionError):
        raise BadFrame("The body is not JSON.") from None
    if not isinstance(decoded, dict):
        raise BadFrame("The body is not a JSON object.")
    return decoded
