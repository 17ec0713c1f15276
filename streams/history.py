"""Port: what a stream still remembers, and whether that is enough for a client to catch up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streams.directory import StreamInfo
from streams.frames import Position


@dataclass(frozen=True, slots=True)
class Published:
    """A frame of a stream; `moderator_frame` is empty where moderators see the same."""

    offset: int
    frame: str
    moderator_frame: str = ""

    def seen_by(self, moderator: bool) -> str:
        """The variant for this kind of reader."""
        return (self.moderator_frame if moderator else "") or self.frame


@dataclass(frozen=True, slots=True)
class Read:
    """A stream's position, and the frames that were asked for, by rising offset."""

    position: Position
    frames: tuple[Published, ...] = ()


class History(Protocol):
    """Reads of streams; all raise Overloaded while they are away.

    What is older than the stream's `history_s` is not returned.
    """

    async def since(self, stream: StreamInfo, offset: int) -> Read:
        """Every frame after `offset`; a stream without an epoch is given one."""
        ...

    async def recent(self, stream: StreamInfo, count: int) -> Read:
        """The last `count` frames; 0 reads the position only."""
        ...

    async def positions(self, streams: Sequence[tuple[str, str]]) -> list[Position | None]:
        """Positions by site and stream, None for a stream that has none, in one round trip."""
        ...

    async def restart(self, stream: StreamInfo, epoch: str) -> None:
        """Gives a stream whose history went back a new epoch, if it still has this one.

        The frames that are left have the new one too.
        """
        ...


def missed(read: Read, since: Position) -> tuple[Published, ...] | None:
    """All frames after `since`, or None where any of them is gone: all or nothing."""
    if read.position.epoch != since.epoch or since.offset > read.position.offset:
        return None
    found = tuple(each for each in read.frames if each.offset > since.offset)
    expected = range(since.offset + 1, read.position.offset + 1)
    return found if [each.offset for each in found] == list(expected) else None
