"""Errors as clients of OpenAI's API expect them."""

from collections.abc import Mapping
from typing import Any

from inference.errors import RtaiError, Unsupported

KINDS: Mapping[str, tuple[int, str, str | None]] = {
    "bad_frame": (400, "invalid_request_error", None),
    "unsupported": (400, "invalid_request_error", "unsupported_parameter"),
    "wrong_method": (405, "invalid_request_error", "method_not_supported"),
    "too_large": (400, "invalid_request_error", "context_length_exceeded"),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "forbidden": (403, "invalid_request_error", "insufficient_permissions"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "rate_limited": (429, "rate_limit_error", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", "overloaded"),
    "deadline_exceeded": (504, "server_error", "timeout"),
    "model_unavailable": (503, "server_error", "model_unavailable"),
}
"""Status, type and code for each of our stable codes."""
INTERNAL = (500, "server_error", None)


class WrongMethod(Unsupported):
    """The path is asked in another way than it answers."""

    code = "wrong_method"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Only {allowed} requests are accepted here.")
        self.allowed = allowed


def body(code: str, message: str) -> dict[str, Any]:
    """The document of an error with one of our codes."""
    _, kind, name = KINDS.get(code, INTERNAL)
    return {"error": {"message": message, "type": kind, "param": None, "code": name}}


def status(error: RtaiError) -> int:
    """Its HTTP status."""
    return KINDS.get(error.code, INTERNAL)[0]


def headers(error: RtaiError) -> dict[str, str]:
    """When to come back, in whole seconds and as OpenAI's clients read it in milliseconds; or what
    the path would have answered."""
    if isinstance(error, WrongMethod):
        return {"allow": error.allowed}
    if (wait_ms := error.retry_after_ms) is None:
        return {}
    return {"retry-after": str(-(-wait_ms // 1000)), "retry-after-ms": str(wait_ms)}
