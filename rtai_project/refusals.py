"""What a connection over a limit is told: HTTP 503, and when to come back."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from streams.turnstile import Refusal

SILENCE_S = 1.0
"""How long one that is turned away may take for its request; then it is dropped."""
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]


def headers(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    """Those of the answer, which is its connection's last."""
    return [
        (b"retry-after", b"%d" % refusal.retry_after_s),
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body(refusal))),
        (b"connection", b"close"),
    ]


def body(refusal: Refusal) -> bytes:
    """A problem document, as the API has them."""
    found = {
        "type": "about:blank",
        "title": "Not available now",
        "status": 503,
        "detail": f"The limit {refusal.limit} is reached.",
        "code": "overloaded",
        "retry_after_ms": refusal.retry_after_s * 1000,
    }
    return json.dumps(found).encode()


def response(refusal: Refusal) -> bytes:
    """The whole answer as bytes."""
    lines = [b"%b: %b" % header for header in headers(refusal)]
    return b"\r\n".join([b"HTTP/1.1 503 Service Unavailable", *lines, b"", body(refusal)])


def application(refusal: Refusal) -> Callable[..., Awaitable[None]]:
    """The answer as an ASGI application."""

    async def answer(scope: object, receive: object, send: Send) -> None:
        start = {"type": "http.response.start", "status": 503, "headers": headers(refusal)}
        await send(start)
        await send({"type": "http.response.body", "body": body(refusal)})

    return answer
