"""An open loop: things happen at their times, whatever delays them."""

import time
from typing import Protocol

SENT = "t"
"""A text begins so, with the intended time of sending in microseconds after it."""


class Publishes(Protocol):
    """Whoever can publish a text."""

    def publish(self, text: str) -> None: ...


def at_rate(publishing: Publishes, per_s: float, count: int, start: float, size: int) -> None:
    """Publishes `count` texts of `size` characters, each at its time or as soon after as can be.

    `start` is the time of the first one by `time.perf_counter()`, which all processes share.
    """
    for number in range(count):
        intended = start + number / per_s
        time.sleep(max(0.0, intended - time.perf_counter()))
        publishing.publish(f"{SENT}{int(intended * 1e6)} ".ljust(size, "x"))
