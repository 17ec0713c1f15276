"""How far a client has read a stream."""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any

Frame = Mapping[str, Any]


class Step(Enum):
    """What a frame with an offset is to its reader."""

    NEXT = auto()
    SEEN = auto()
    """It was passed on before, or comes again behind the answer that is awaited."""
    GAP = auto()
    """Something lacks before it: subscribe again from the last frame."""


class Place:
    """A subscription over all its connections."""

    def __init__(self, stream: str, recent: int) -> None:
        self.stream = stream
        self.is_live = False
        """Whether the last question for it was answered."""
        self._recent = recent
        self._epoch = ""
        self._last: int | None = None
        self._floor: int | None = None
        """Behind which the recent frames begin: where it goes on if none of them came."""
        self._head = 0
        self._asked_since = False
        self._resynced_at: int | None = None

    def request(self) -> dict[str, Any]:
        """The `subscribe` frame that goes on from here."""
        self.is_live = False
        offset = self._floor if self._last is None else self._last
        self._asked_since = offset is not None
        frame: dict[str, Any] = {"type": "subscribe", "stream": self.stream}
        if self._asked_since:
            return frame | {"since": {"epoch": self._epoch, "offset": offset}}
        return frame | {"recent": self._recent}

    def subscribed(self, frame: Frame) -> bool:
        """Takes the answer; False if frames were lost: forget everything and ask anew."""
        if self._asked_since and not frame["recovered"]:
            self._last = self._floor = None
            return False
        if not self._asked_since:
            self._floor = max(0, frame["offset"] - self._recent)
        if self._last is None and (self._asked_since or self._recent == 0):
            self._last = self._floor
        self._epoch, self._head, self.is_live = frame["epoch"], frame["offset"], True
        return True

    def take(self, frame: Frame) -> Step:
        """Moves on to a frame of the stream, if it is the next one.

        Until a question is answered, frames are those of an older subscription: what lacks before
        them would count as seen. They come again behind the answer.
        """
        offset, last = frame["offset"], -1 if self._last is None else self._last
        # What an answer brings may be of an earlier epoch: offsets can go on over a change.
        same = frame["epoch"] == self._epoch or last < offset <= self._head
        if not self.is_live or (same and offset <= last):
            return Step.SEEN
        gap = not same or (self._last is not None and offset > last + 1)
        if gap and self._resynced_at != self._last:
            self._resynced_at = self._last
            return Step.GAP
        self._last = offset
        if not same:
            self._epoch = frame["epoch"]
        return Step.NEXT
