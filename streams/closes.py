"""Why a connection ends: close codes, and reasons that tell the client when to come back.

4000–4499 mean reconnect, with jitter; 4500–4999 do not.
"""

import json
from dataclasses import dataclass
from enum import IntEnum

MAX_REASON_BYTES = 123
"""What RFC 6455 leaves for the reason beside the code."""


class CloseCode(IntEnum):
    """Codes this server sends."""

    NORMAL = 1000
    TOO_BIG = 1009
    SHUTDOWN = 4001
    TOKEN_EXPIRED = 4005
    SLOW_READER = 4008
    POSITION_LOST = 4010
    NO_PONG = 4012
    FLOODING = 4013
    INVALID_TOKEN = 4500
    PROTOCOL_VIOLATED = 4501
    BANNED = 4503
    TOO_MANY_CONNECTIONS = 4504

    @property
    def reconnects(self) -> bool:
        """Whether the client should come back by itself."""
        return 4000 <= self < 4500


@dataclass(frozen=True, slots=True)
class Close:
    """An end of a connection; `reason` is JSON of at most 123 bytes."""

    code: int
    reason: str

    @property
    def back_ms(self) -> int | None:
        """When its client is expected back, in milliseconds; None for one that was sent away."""
        if self.code >= 4500:
            return None
        return int(json.loads(self.reason).get("retry_after_ms", 0))


def close(code: CloseCode, detail: str = "", retry_after_ms: int | None = None) -> Close:
    """A close whose reason has `code`, `detail` (cut to fit) and, if it is to, when to return."""
    found: dict[str, object] = {"code": code.name.lower()}
    if retry_after_ms is not None and code.reconnects:
        found["retry_after_ms"] = retry_after_ms
    room = MAX_REASON_BYTES - len(_json(found | {"detail": ""}).encode())
    if detail:
        found["detail"] = _cut(detail, room)
    return Close(int(code), _json(found))


def _cut(detail: str, room: int) -> str:
    while len(json.dumps(detail, ensure_ascii=False).encode()) - 2 > room:
        detail = detail[:-1]
    return detail


def _json(found: dict[str, object]) -> str:
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


FLOODED = close(CloseCode.FLOODING, "Too many frames.", retry_after_ms=5_000)
"""For a client that sends more than it may."""
