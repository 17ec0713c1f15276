"""A client that only listens: a session over a one-way connection, which answers no pings."""

from typing import Any

from streams.awaited import Mail
from streams.closes import CloseCode, close
from streams.frames import Subscribe
from streams.sessions import Session

LOOK_MS = 10_000
"""How often a listener's mailbox is looked into: verdicts of what its user sent by other ways."""


class Listener(Session):
    """A session with one stream and nothing to say."""

    def __init__(self, *parts: Any) -> None:
        super().__init__(*parts)
        self._looked_ms = self._ports.now_ms()

    async def open(self) -> None:
        """Hears its site's news from now on; there is no `welcome`. Raises Overloaded."""
        await self._ports.audience.enter(self)

    async def follow(self, frame: Subscribe) -> None:
        """Subscribes; raises RtaiError, and then nothing was said."""
        await self._subscribe(frame)

    def tick(self) -> None:
        """A session's, but its silence is no sign of death: the connection's end is.

        What was written counts as read where the connection still stands a little later.
        """
        self._pulse.hear(0, 0)
        super().tick()

    def take_verdict(self, mail: Mail) -> None:
        """A session's; until `subscribed` went out, verdicts wait in the mailbox."""
        if self._is_live():
            super().take_verdict(mail)

    def waits_since(self) -> int | None:
        """The last look into the mailbox, when it is time for the next.

        What its user sends is not known here, so a verdict that the bus lost is not missed here.
        """
        since, now = self._looked_ms, self._ports.now_ms()
        if now - since < LOOK_MS:
            return None
        self._looked_ms = now
        return since

    async def withdraw(self, stream: str, reason: str = "") -> None:
        """Ends: its one stream is no longer there."""
        self.end(close(CloseCode.NORMAL, "The stream is no longer there."))

    def _is_live(self) -> bool:
        found = [self._ports.hub.subscription(self.id, self.site, name) for name in self.streams]
        return any(each is not None and each.held is None for each in found)
