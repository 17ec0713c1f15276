"""Port: taking back what was published."""

from typing import Protocol

from streams.clients import Client


class Removal(Protocol):
    """Removes messages from streams."""

    async def remove(self, client: Client, stream: str, id: str) -> str:
        """Removes a message that the client may remove: its own, or any for a moderator.

        Everyone in the stream is told, and history forgets the text, in one step. Returns the
        `removed` frame that they get.
        Raises NotFound, Forbidden, or Overloaded while Redis is away.
        """
        ...
