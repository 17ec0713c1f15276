"""A model of what a client may believe, held against the server's history.

A client's view of a stream is a run of frames without a gap, which begins where the server told it
to begin (`recovered: false`, or its first subscription) and goes on frame by frame. Whatever else
arrives is a fault. Pure: frames and history come in, faults come out.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Frame = Mapping[str, Any]
Place = tuple[str, int]
"""Epoch and offset."""


class Kind(StrEnum):
    """What can go wrong."""

    LOST = "lost"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    DIFFERENT = "different"
    """Not what the server's history says, or decided in two ways."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that went wrong, in words, and how many frames or messages it concerns."""

    kind: Kind
    what: str
    count: int = 1


class History:
    """All that the server ever published in a stream: message ids by place."""

    def __init__(self) -> None:
        self.ids: dict[Place, str] = {}
        self.position: Place | None = None

    def add(self, place: Place, id: str) -> None:
        """Notes a frame; raises ValueError where the server has two for one place."""
        if self.ids.setdefault(place, id) != id:
            raise ValueError(f"The server has two frames at {place}.")
        if self.position is None or place[0] != self.position[0] or place[1] > self.position[1]:
            self.position = place


@dataclass
class View:
    """What one client has, over all its connections."""

    name: str = "a client"
    position: Place | None = None
    told: int = 0
    """How often the server said that it could not recover."""
    shown: list[tuple[Place, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _verdicts: Counter[str] = field(default_factory=Counter)
    _asked: Counter[str] = field(default_factory=Counter)
    _refs: set[str] = field(default_factory=set)

    def connected(self) -> None:
        """A new connection: verdicts may come once more on it."""
        self._verdicts.clear()
        self._asked.clear()

    def sent(self, ref: str) -> None:
        """A message was sent, or sent again: then its verdict may be repeated, too."""
        if ref in self._refs:
            self._asked[ref] += 1
        self._refs.add(ref)

    def take(self, frame: Frame) -> None:
        """Applies one frame, whatever it is."""
        if frame["type"] == "subscribed":
            self._subscribed(frame)
        elif frame["type"] in ("message", "removed") and "offset" in frame:
            self._published(frame)
        elif frame["type"] == "verdict":
            self._verdict(frame)

    def _subscribed(self, frame: Frame) -> None:
        if self.position is not None and frame["recovered"]:
            if frame["epoch"] != self.position[0]:
                self._fault(Kind.DIFFERENT, "recovered in another epoch")
            return
        self.told += self.position is not None
        self.position = frame["epoch"], frame["offset"]

    def _published(self, frame: Frame) -> None:
        place = frame["epoch"], frame["offset"]
        if self.position is None or place[0] != self.position[0]:
            self._fault(Kind.DIFFERENT, f"{place} came after {self.position}, untold")
        elif place[1] > self.position[1] + 1:
            missing = place[1] - self.position[1] - 1
            self._fault(Kind.LOST, f"{place} came after {self.position}", missing)
        elif place[1] <= self.position[1]:
            again = (place, frame["id"]) in self.shown
            self._fault(Kind.DOUBLED if again else Kind.REORDERED, f"{place} at {self.position}")
            return
        self.position = place
        self.shown.append((place, frame["id"]))

    def _verdict(self, frame: Frame) -> None:
        self._verdicts[frame["ref"]] += 1
        if self._verdicts[frame["ref"]] > 1 + self._asked[frame["ref"]]:
            self._fault(Kind.DOUBLED, f"the verdict on {frame['ref']} came twice")

    def _fault(self, kind: Kind, what: str, count: int = 1) -> None:
        self.faults.append(Fault(kind, f"{self.name}: {what}", count))


def against(history: History, view: View) -> list[Fault]:
    """All faults of a client that has heard everything there is to hear."""
    found = list(view.faults)
    if view.position is not None and view.position != history.position:
        what = f"{view.name}: ended at {view.position}, the server at {history.position}"
        found.append(Fault(Kind.LOST, what))
    wrong = [place for place, id in view.shown if history.ids.get(place) != id]
    if wrong:
        found.append(Fault(Kind.DIFFERENT, f"{view.name}: not as in history: {wrong}", len(wrong)))
    twice = [id for id, times in Counter(id for _, id in view.shown).items() if times > 1]
    if twice:
        found.append(Fault(Kind.DOUBLED, f"{view.name}: shown twice: {twice}", len(twice)))
    return found


def judged(
    history: History, accepted: Mapping[str, str], verdicts: Mapping[str, set[str]]
) -> list[Fault]:
    """Faults of one author: `accepted` has ids by `ref`, `verdicts` has actions by id."""
    found = list[Fault]()
    published = set(history.ids.values())
    unjudged = set(accepted.values()) - set(verdicts)
    if unjudged:
        found.append(Fault(Kind.LOST, f"without a verdict: {unjudged}", len(unjudged)))
    for id, actions in verdicts.items():
        if len(actions) > 1:
            found.append(Fault(Kind.DIFFERENT, f"{id} was decided as {sorted(actions)}"))
        elif actions <= {"allow", "flag"} and id not in published:
            found.append(Fault(Kind.LOST, f"{id} was allowed and not published"))
        elif not actions & {"allow", "flag"} and id in published:
            found.append(Fault(Kind.DIFFERENT, f"{id} was published and not allowed"))
    return found
