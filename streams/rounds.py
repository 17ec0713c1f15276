"""Work that a process does again and again, whatever becomes of one round of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from inference.errors import RtaiError

logger = logging.getLogger(__name__)

Expected = tuple[type[Exception], ...]
"""What work may raise, besides RtaiError, while a service is away."""


def every(
    expected: Expected, seconds: float, work: Callable[[], Awaitable[Any]], name: str
) -> "asyncio.Task[None]":
    """Does the work, waits, and begins again, until cancelled."""

    async def run() -> None:
        while True:
            await tolerantly(expected, work, name)
            await asyncio.sleep(seconds)

    return asyncio.create_task(run(), name=f"gateway-{name}")


async def tolerantly(expected: Expected, work: Callable[[], Awaitable[Any]], name: str) -> None:
    """Does the work once; a failure is told to the log only."""
    usual: Expected = (RtaiError, *expected)
    try:
        await work()
    except usual as error:
        logger.warning("The gateway's %s will try again: %s", name, error)
    except Exception:  # A gateway without one of its loops would fail in silence.
        logger.exception("The gateway's %s failed and will try again", name)
