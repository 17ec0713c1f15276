"""What a server refuses."""

from collections.abc import Mapping
from typing import Any

FIRST_RETRY_MS = 500


class Refused(Exception):
    """An `error` frame, with the server's stable `code`."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        super().__init__(f"{frame['code']}: {frame.get('detail', '')}")
        self.code = str(frame["code"])
        self.detail = str(frame.get("detail", ""))
        self.retryable = bool(frame.get("retryable"))
        self.retry_after_ms: int | None = frame.get("retry_after_ms")

    @property
    def wait_s(self) -> float:
        """How long to wait before another attempt, in seconds."""
        return (self.retry_after_ms or FIRST_RETRY_MS) / 1000


class ConnectionClosed(Exception):
    """The connection ended for good: by `close`, or with a code that forbids another attempt."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


class TokenRefused(ConnectionClosed):
    """No token is to be had: `code` is the HTTP status."""
