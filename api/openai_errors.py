"""Errors as clients of OpenAI's API expect them."""

from collections.abc import Mapping
from typing import Any

from inference.errors import BadFrame, NotFound, RtaiError, Unsupported

KINDS: Mapping[str, tuple[int, str, str | None]] = {
    "bad_frame": (400, "invalid_request_error", None),
    "unsupported": (400, "invalid_request_error", "unsupported_parameter"),
    "wrong_method": (405, "invalid_request_error", "method_not_supported"),
    "too_large": (400, "invalid_request_error", "context_length_exceeded"),
    "unauthorized": (401, "invalid_request_error", "invalid_api_key"),
    "forbidden": (403, "invalid_request_error", "insufficient_permissions"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "unknown_path": (404, "invalid_request_error", "unknown_url"),
    "rate_limited": (429, "rate_limit_error", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", "overloaded"),
    "deadline_exceeded": (504, "server_error", "timeout"),
    "model_unavailable": (503, "server_error", "model_unavailable"),
}
"""Status, type and code for each of our stable codes."""
INTERNAL = (500, "server_error", None)
ABOUT: Mapping[str, str] = {"too_large": "messages", "not_found": "model"}
"""The field that our errors with these codes are about."""
BEFORE_ROUTING: Mapping[int, str] = {408: "timeout", 413: "context_length_exceeded"}
"""Codes of what a request is told before anybody looked what it asks for."""
BELOW = "/v1/"
"""Errors of all paths below this one have OpenAI's shape."""


class BadField(BadFrame):
    """A field of the request is missing or malformed; `reason` is one of OpenAI's codes."""

    def __init__(self, field: str, detail: str, reason: str = "invalid_value") -> None:
        super().__init__(detail)
        self.field = field
        self.reason = reason


class UnsupportedField(Unsupported):
    """A field of the request asks for what is not offered."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class UnknownPath(NotFound):
    """No such path."""

    code = "unknown_path"


class WrongMethod(Unsupported):
    """The path is asked in another way than it answers."""

    code = "wrong_method"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Only {allowed} requests are accepted here.")
        self.allowed = allowed


def body(error: RtaiError) -> dict[str, Any]:
    """The document of one of our errors."""
    _, kind, code = KINDS.get(error.code, INTERNAL)
    if isinstance(error, BadField):
        code = error.reason
    field = getattr(error, "field", ABOUT.get(error.code))
    return _document(error.detail, kind, field, code)


def of_status(status: int, message: str) -> dict[str, Any]:
    """The document of what a server answers by itself."""
    if status == 503:
        return _document(message, "server_error", None, "overloaded")
    return _document(message, "invalid_request_error", None, BEFORE_ROUTING.get(status))


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


def _document(message: str, kind: str, field: str | None, code: str | None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}
