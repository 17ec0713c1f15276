"""Answers whose owner left: cancelled after a while, where that was wished and nobody came back."""

from collections.abc import Awaitable, Callable

from generation.generations import OnDisconnect
from generation.store import Generations

GRACE_S = 10.0
"""So long may a user be away: a reload or a short loss of the network ends nothing."""


class Departures:
    """Who left this gateway while an answer of theirs was under way.

    `is_here` says whether a site's user has a session anywhere. `clock` is in seconds.
    """

    def __init__(
        self,
        generations: Generations,
        is_here: Callable[[str, str], Awaitable[bool]],
        clock: Callable[[], float],
    ) -> None:
        self._generations = generations
        self._is_here = is_here
        self._clock = clock
        self._left: dict[str, tuple[float, str, str]] = {}

    def note(self, id: str, site: str, user: str) -> None:
        """A session of the owner is gone, perhaps not the last one."""
        self._left[id] = (self._clock() + GRACE_S, site, user)

    async def check(self) -> None:
        """Cancels what is due; raises Overloaded, and the rest is due still."""
        now = self._clock()
        for id, (due, site, user) in list(self._left.items()):
            if due <= now:
                if not await self._is_here(site, user):
                    await self._cancel(id)
                del self._left[id]

    async def _cancel(self, id: str) -> None:
        found = await self._generations.read(id)
        if found is not None and found.generation.on_disconnect is OnDisconnect.CANCEL:
            await self._generations.cancel(id)
