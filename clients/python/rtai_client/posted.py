"""A message on its way to a verdict."""

import asyncio
from collections.abc import Mapping
from typing import Any

from rtai_client.places import Frame


class Posted:
    """Waits in the outbox until `verdict` is there."""

    def __init__(self, frame: Mapping[str, Any]) -> None:
        self.since: float | None = None
        """When it was first sent."""
        self._frame = frame
        self.verdict: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()

    def again(self) -> Mapping[str, Any]:
        """The frame to send."""
        return self._frame

    def fail(self, error: Exception) -> None:
        """Ends the wait."""
        if not self.verdict.done():
            self.verdict.set_exception(error)
