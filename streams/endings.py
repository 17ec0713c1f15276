"""Ends tasks for good."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

AGAIN_S = 0.2


async def finish(work: Coroutine[Any, Any, None], within_s: float) -> None:
    """Waits for work that ends something; cut short when it takes too long."""
    task = asyncio.create_task(work)
    await asyncio.wait([task], timeout=within_s)
    if task.done():
        task.result()
    else:
        await end([task])


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Returns when all have ended.

    Client libraries sometimes lose a cancellation while they connect, so it is repeated.
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=AGAIN_S)
