"""How large and how slow a request may be, on either server, and what one over that is told."""

import json
from collections.abc import Iterable
from http import HTTPStatus

from api import openai_errors

HEAD_S = 10.0
"""How long a client may take for the head of a request, from its connection or first line."""
MAX_HEAD = 16 * 1024
"""Bytes of a request's first line and headers."""
MAX_HEADERS = 500
BODY_S = 30.0
"""How long a client may take for the body, from the end of the head."""
MAX_BODY = 2 * 1024 * 1024
"""Bytes of a body. The largest that is of use, a chat completion's, has half of that."""

BAD = "The request cannot be read."
_CODES = {400: "bad_frame", 408: "deadline_exceeded", 413: "too_large", 431: "too_large"}


def large_head() -> bytes:
    """The answer to a head over its limit."""
    return answer(431, f"The head of a request has at most {MAX_HEAD} bytes.")


def large_body(target: bytes) -> bytes:
    """The answer to a body over its limit; `target` is what the request's first line names."""
    return answer(413, f"A body has at most {MAX_BODY} bytes.", target)


def slow_body(target: bytes) -> bytes:
    """The answer to a body that does not end."""
    return answer(408, f"The body did not come within {BODY_S:g} s.", target)


def answer(status: int, detail: str, target: bytes = b"") -> bytes:
    """A problem document as the API has them, or an error as OpenAI's clients know it: its
    connection's last answer."""
    title = HTTPStatus(status).phrase
    found: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "code": _CODES[status],
    }
    kind = "application/problem+json"
    if target.startswith(openai_errors.BELOW.encode()):
        found, kind = openai_errors.of_status(status, detail), "application/json"
    body = json.dumps(found).encode()
    lines = (
        f"HTTP/1.1 {status} {title}",
        f"content-type: {kind}",
        f"content-length: {len(body)}",
        "connection: close",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + body


def announced(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The `Content-Length` of these headers, whose names are in small letters; 0 for none."""
    found = (value for name, value in headers if name == b"content-length" and value.isdigit())
    return max((int(value) for value in found), default=0)
