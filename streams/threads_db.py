"""Work that blocks, kept away from the event loop."""

from collections.abc import Callable
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Runs what blocks in a thread, with database connections that are still good."""

    def run() -> T:
        close_old_connections()
        return work()

    found: T = await sync_to_async(run, thread_sensitive=False)()
    return found
