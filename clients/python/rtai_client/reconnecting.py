"""When, and whether, to connect again after a connection ended."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

FIRST_S = 0.5
LONGEST_S = 20.0
TOKEN_EXPIRED, INVALID_TOKEN = 4005, 4500


class State(StrEnum):
    """idle → connecting → open → waiting → connecting → …, and closed for good."""

    IDLE = "idle"
    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Advice:
    """What the end of a connection asks for; `wait_s` is the least."""

    again: bool
    fresh_token: bool
    wait_s: float = 0.0


def backoff(failures: int, random: Callable[[], float]) -> float:
    """Full jitter, in seconds: from 0.5 to 0.5 doubled with every failure, at most 20."""
    top: float = min(LONGEST_S, FIRST_S * 2.0 ** min(failures, 10))
    return FIRST_S + random() * (top - FIRST_S)


def delay(failures: int, wait_s: float, random: Callable[[], float]) -> float:
    """The jitter of `backoff`, from the moment on that the server asked to wait for: it asks many
    clients for the same."""
    return max(FIRST_S, wait_s) + backoff(failures, random) - FIRST_S


def after_close(code: int, reason: str) -> Advice:
    """Close codes from 4500 to 4999 forbid another attempt, but for a token that was refused:
    a fresh one may be tried once."""
    fresh = code in (TOKEN_EXPIRED, INVALID_TOKEN)
    return Advice(not 4500 <= code <= 4999, fresh, _wait_s(reason))


def after_refusal(status: int, retry_after: str) -> Advice:
    """The handshake was answered with an HTTP status instead of a connection."""
    wait_s = float(retry_after) if retry_after.isdecimal() else 0.0
    if status == 401:
        return Advice(again=False, fresh_token=True)
    return Advice(again=status == 429 or status >= 500, fresh_token=False, wait_s=wait_s)


def _wait_s(reason: str) -> float:
    try:
        return max(0.0, float(json.loads(reason)["retry_after_ms"]) / 1000)
    except (ValueError, TypeError, KeyError):
        return 0.0  # A proxy's reason is text, not JSON.
