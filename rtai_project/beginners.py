"""Tells which of our workers began lately and have yet to say that they are there."""

from collections.abc import Collection

BEGINNING_S = 30.0
"""A worker that loads for longer is waited for no more."""


class Beginners:
    """Remembers when each process was first seen, and which of them has spoken."""

    def __init__(self, beginning_s: float = BEGINNING_S) -> None:
        self._beginning_s = beginning_s
        self._seen_at: dict[int, float] = {}
        self._spoken: set[int] = set()

    def observe(self, heard: Collection[int], pids: set[int], now: float) -> set[int]:
        """Those of the processes `pids` that still begin; `now` in seconds of a steady clock."""
        self._seen_at = {pid: self._seen_at.get(pid, now) for pid in pids}
        self._spoken = (self._spoken | set(heard)) & pids
        return {
            pid
            for pid, seen_at in self._seen_at.items()
            if pid not in self._spoken and now - seen_at < self._beginning_s
        }
