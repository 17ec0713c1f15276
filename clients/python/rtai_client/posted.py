"""A message on its way to a verdict."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from rtai_client.places import Frame


class Posted:
    """Waits in the outbox until `verdict` is there."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self.since: float | None = None
        """When it was first sent."""
        self.frame = frame
        self._waiting = 0
        self.verdict: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    def again(self) -> Mapping[str, Any]:
        """The frame to send."""
        return self.frame

    async def wait(self, sending: Awaitable[None] | None = None) -> Frame:
        """The verdict, for as many as wait for it; raises what it failed with."""
        self._waiting += 1
        try:
            if sending is not None:
                await sending
            return await asyncio.shield(self.verdict)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.verdict.cancel()

    def fail(self, error: Exception) -> None:
        """Ends the wait."""
        if not self.verdict.done():
            self.verdict.set_exception(error)
