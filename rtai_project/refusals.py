"""What a connection over a limit is told: HTTP 503, and when to come back."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from api import openai_errors
from streams.turnstile import Refusal

SILENCE_S = 1.0
"""How long one that is turned away may take for its request; then it is dropped."""
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]


def headers(refusal: Refusal, target: bytes) -> list[tuple[bytes, bytes]]:
    """Those of the answer, which is its connection's last; `target` is what the request's first
    line names."""
    kind = b"application/json" if _is_openais(target) else b"application/problem+json"
    return [
        (b"retry-after", b"%d" % refusal.retry_after_s),
        (b"content-type", kind),
        (b"content-length", b"%d" % len(body(refusal, target))),
        (b"connection", b"close"),
    ]


def body(refusal: Refusal, target: bytes) -> bytes:
    """A problem document as the API has them, or an error as OpenAI's clients know it."""
    detail = f"The limit {refusal.limit} is reached."
    if _is_openais(target):
        return json.dumps(openai_errors.of_status(503, detail)).encode()
    found = {
        "type": "about:blank",
        "title": "Not available now",
        "status": 503,
        "detail": detail,
        "code": "overloaded",
        "retry_after_ms": refusal.retry_after_s * 1000,
    }
    return json.dumps(found).encode()


def response(refusal: Refusal, target: bytes = b"") -> bytes:
    """The whole answer as bytes."""
    lines = [b"%b: %b" % header for header in headers(refusal, target)]
    return b"\r\n".join([b"HTTP/1.1 503 Service Unavailable", *lines, b"", body(refusal, target)])


def application(refusal: Refusal, target: bytes) -> Callable[..., Awaitable[None]]:
    """The answer as an ASGI application."""

    async def answer(scope: object, receive: object, send: Send) -> None:
        start = {"type": "http.response.start", "status": 503, "headers": headers(refusal, target)}
        await send(start)
        await send({"type": "http.response.body", "body": body(refusal, target)})

    return answer


def _is_openais(target: bytes) -> bool:
    return target.startswith(openai_errors.BELOW.encode())
