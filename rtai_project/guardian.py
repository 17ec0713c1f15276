"""A small process that ends the supervisor's children when the supervisor itself was killed.

It holds the read end of a pipe whose write end only the supervisor has. Lines `+PID` and `-PID`
tell it which process groups live; the end of the file tells it that the supervisor is gone.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable

TERM_S = 4.0
"""How long children may take to stop by themselves before they are killed."""


def listen(lines: Iterable[str]) -> list[int]:
    """The process groups that are alive when the lines end, in the order they were started."""
    alive: dict[int, None] = {}
    for line in lines:
        sign, pid = line[0], int(line[1:])
        if sign == "+":
            alive[pid] = None
        else:
            alive.pop(pid, None)
    return list(alive)


def end(groups: Iterable[int], *, term_s: float = TERM_S) -> None:
    """Asks the groups to stop, and kills those that still live after `term_s` seconds."""
    waiting = [group for group in groups if _signal(group, signal.SIGTERM)]
    deadline = time.monotonic() + term_s
    while waiting and time.monotonic() < deadline:
        time.sleep(0.05)
        waiting = [group for group in waiting if _signal(group, 0)]
    for group in waiting:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Whether the group still has a process to signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    end(listen(sys.stdin))
