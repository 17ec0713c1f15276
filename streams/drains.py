"""How a gateway sends its clients away: in batches, each told when to come back."""

import asyncio
import random
from collections.abc import Iterable

from streams.closes import CloseCode, close
from streams.sessions import Session

DRAIN_BATCHES = 20
DRAIN_S = 5.0
"""In how many batches, and over how long, a draining gateway sends its clients away."""
RETURN_MS = 1_000
"""Over how long the clients of an almost empty gateway come back."""


async def send_all_away(sessions: Iterable[Session]) -> None:
    """Returns when all have been told."""
    leaving = list(sessions)
    random.shuffle(leaving)
    size = max(50, -(-len(leaving) // DRAIN_BATCHES))
    spread_ms = RETURN_MS + 5 * len(leaving)
    for start in range(0, len(leaving), size):
        for session in leaving[start : start + size]:
            send_away(session, spread_ms)
        await asyncio.sleep(DRAIN_S / DRAIN_BATCHES if len(leaving) > size else 0)
    await asyncio.gather(*(session.outbox.drained() for session in leaving))


def send_away(session: Session, spread_ms: int = RETURN_MS) -> None:
    """Ends a connection; its client comes back at some time within `spread_ms`."""
    wait_ms = random.randint(100, spread_ms)  # noqa: S311 (spreads load)
    session.end(close(CloseCode.SHUTDOWN, "Shutting down.", wait_ms))
