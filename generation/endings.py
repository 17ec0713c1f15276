"""How a generation ends, and how it is told to stop before its model is done."""

import threading
from dataclasses import dataclass

from generation.generations import FinishReason
from inference.generator import Cancellation


@dataclass(frozen=True, slots=True)
class Ending:
    """Why it ended; `code` is an RtaiError's, where one ended it, `detail` its text, and
    `retry_after_ms` when the same may be asked again, where that is known."""

    reason: FinishReason
    code: str = ""
    detail: str = ""
    retry_after_ms: int | None = None


class Lost(Exception):
    """The generation is not ours any more: nothing may be told of it."""


class Stop:
    """Tells one generation to stop, from whatever thread; the first word counts."""

    def __init__(self) -> None:
        self.cancellation = Cancellation()
        self._lock = threading.Lock()
        self._said: Ending | None = None

    def say(self, ending: Ending | None) -> None:
        """Stops the model; None if the generation is not ours any more."""
        with self._lock:
            if not self.cancellation.cancelled:
                self._said = ending
        self.cancellation.cancel()

    @property
    def ending(self) -> Ending | None:
        """What was said, None if nothing was; raises Lost if it is not ours any more."""
        with self._lock:
            if self.cancellation.cancelled and self._said is None:
                raise Lost
            return self._said
