"""An answer of the assistant, as it grows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from rtai_client.errors import Refused

Send = Callable[[Mapping[str, Any]], Awaitable[None]]


class Answer:
    """Iterate to get its text piece by piece, once. `done` is set at the end."""

    def __init__(self, request: Mapping[str, Any], send: Send) -> None:
        self.request = request
        self.id = ""
        self.model = ""
        self.text = ""
        self.finish_reason = ""
        self.usage: Mapping[str, int] = {}
        self.since: float | None = None
        """When the question was first sent."""
        self.is_unwanted = False
        """Whether it was cancelled, which the server may not have heard yet."""
        self._send = send
        self._changed = asyncio.Condition()
        self._error: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return bool(self.finish_reason) or self._error is not None

    async def __aiter__(self) -> AsyncIterator[str]:
        """Pieces of text; raises Refused where it never began, and ConnectionClosed.

        A `finish_reason` of `blocked` means: forget the text.
        """
        said = 0
        while True:
            async with self._changed:
                while len(self.text) == said and not self.is_over:
                    await self._changed.wait()
            if len(self.text) > said:
                piece, said = self.text[said:], len(self.text)
                yield piece
            elif self._error is not None:
                raise self._error
            else:
                return

    async def whole(self) -> str:
        """The text when it is done; raises as iterating does."""
        async for _ in self:
            continue
        return self.text

    async def cancel(self) -> None:
        """Stops the model; what was said stays."""
        if not self.is_over:
            self.is_unwanted = True
            name = {"id": self.id} if self.id else {"ref": self.request["ref"]}
            await self._send({"type": "cancel", **name})

    def again(self) -> dict[str, Any]:
        """The frame that goes on after a reconnect: the same `ref` is the same answer."""
        if self.id:
            return {"type": "resume", "id": self.id, "from": len(self.text)}
        return dict(self.request)

    async def take(self, frame: Mapping[str, Any]) -> None:
        """Takes a frame of this answer; a repeated piece adds what is new of it."""
        async with self._changed:
            match frame["type"]:
                case "start":
                    self.id, self.model = frame["id"], frame["model"]
                case "token" if frame["from"] <= len(self.text):
                    self.text += frame["text"][len(self.text) - frame["from"] :]
                case "done":
                    self.id = self.id or frame["id"]
                    self.finish_reason, self.usage = frame["finish_reason"], frame["usage"]
                case "error":
                    self._error = Refused(frame)
            self._changed.notify_all()

    async def fail(self, error: Exception) -> None:
        """Ends it from this side."""
        async with self._changed:
            self._error = self._error or error
            self._changed.notify_all()
