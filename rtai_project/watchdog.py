"""Finds workers that live but no longer work, from the heartbeats they leave in Redis."""

from collections.abc import Mapping
from dataclasses import dataclass

STUCK_S = 30.0


@dataclass(frozen=True, slots=True)
class Beat:
    """What a worker last said: when, by its own clock, and how long it had been on its task."""

    seen_ms: int
    busy_s: float


@dataclass(frozen=True, slots=True)
class _Watched:
    beat: Beat
    seen_at: float


class Watchdog:
    """Remembers each worker's last heartbeat, and when it came by our own steady clock."""

    def __init__(self, stuck_s: float = STUCK_S) -> None:
        self._stuck_s = stuck_s
        self._watched: dict[int, _Watched] = {}

    def observe(self, beats: Mapping[int, Beat], pids: set[int], now: float) -> dict[int, str]:
        """Why to kill which of the processes `pids`; `now` in seconds of a steady clock.

        A worker that never said anything is not judged: it may still be loading its models.
        """
        self._watched = {pid: each for pid, each in self._watched.items() if pid in pids}
        for pid in pids & beats.keys():
            last = self._watched.get(pid)
            if last is None or last.beat != beats[pid]:
                self._watched[pid] = _Watched(beats[pid], now)
        return {pid: why for pid, each in self._watched.items() if (why := self._why(each, now))}

    def forget(self) -> None:
        """Starts afresh: heartbeats could not be read, so silence proves nothing."""
        self._watched.clear()

    def _why(self, watched: _Watched, now: float) -> str | None:
        if (silent_s := now - watched.seen_at) >= self._stuck_s:
            return f"it has been silent for {silent_s:.0f} s"
        if watched.beat.busy_s >= self._stuck_s:
            return f"it has been busy with one task for {watched.beat.busy_s:.0f} s"
        return None
