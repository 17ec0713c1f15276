"""Streams with too many users to name: those who asked who is there are told how many, now and
then, whatever number comes and goes in between."""

from collections.abc import Callable, Sequence

from streams import replies
from streams.directory import StreamInfo
from streams.hub import Hub
from streams.presence import Presences
from streams.relays import Subscription


class Crowds:
    """What the askers of this process were last told of each crowded stream.

    Frames are bounded by time, not by joins: one for each asker and check, if the count changed.
    """

    def __init__(self, hub: Hub, presences: Presences, sent: Callable[[str, int], None]) -> None:
        self._hub = hub
        self._presences = presences
        self._sent = sent
        self._told: dict[tuple[str, str], int] = {}

    async def check(self) -> None:
        """Tells every asker what changed; raises Overloaded."""
        asked = self._hub.asked_presence()
        for key in self._told.keys() - {(stream.site, stream.name) for stream, _ in asked}:
            del self._told[key]
        for stream, askers in asked:
            await self._check(stream, askers)

    async def _check(self, stream: StreamInfo, askers: Sequence[Subscription]) -> None:
        key = (stream.site, stream.name)
        count, users = await self._presences.of(*key)
        before = self._told.pop(key, None)
        if users is None:
            self._told[key] = count
            if before == count:
                return
        elif before is None:
            return
        # Few enough to name again: comings and goings were not told meanwhile, so all are named.
        frame = replies.presence(stream.name, count, users)
        for asker in askers:
            asker.outbox.put_droppable(frame, f"presence:{stream.site}/{stream.name}")
        self._sent("presence", len(askers))
