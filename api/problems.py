"""Errors as programs get them: problem documents of RFC 9457."""

from collections.abc import Mapping
from typing import Any

from inference.errors import RtaiError

CONTENT_TYPE = "application/problem+json"
STATUS: Mapping[str, int] = {
    "bad_frame": 422,
    "unknown_type": 422,
    "too_large": 413,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "rate_limited": 429,
    "overloaded": 503,
    "deadline_exceeded": 504,
    "model_unavailable": 503,
    "unsupported": 501,
}
"""HTTP's status for each stable code."""
TITLES: Mapping[int, str] = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Too large",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    501: "Not supported",
    503: "Not available now",
    504: "Took too long",
}


def problem(status: int, code: str, detail: str, **more: Any) -> dict[str, Any]:
    """A problem document; `more` are its extension members, left out where None."""
    found = {
        "type": "about:blank",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
    }
    return found | {name: value for name, value in more.items() if value is not None}


def of_error(error: RtaiError) -> dict[str, Any]:
    """The problem document of one of our own errors."""
    status = STATUS.get(error.code, 500)
    return problem(status, error.code, error.detail, retry_after_ms=error.retry_after_ms)


def headers(found: Mapping[str, Any]) -> dict[str, str]:
    """What HTTP wants beside the document."""
    named = {}
    if found["status"] == 401:
        named["WWW-Authenticate"] = "Bearer"
    if (wait_ms := found.get("retry_after_ms")) is not None:
        named["Retry-After"] = str(-(-wait_ms // 1000))
    return named
