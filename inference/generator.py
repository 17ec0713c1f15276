"""The contract of a generator: a plugin that writes text instead of scoring it."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar


class Role(StrEnum):
    """Who speaks in a turn."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Turn:
    """One contribution to a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and when to stop.

    `temperature` 0 always takes the likeliest token. The same `seed` gives the same text on the
    same model version. Text ends before the first of `stop`, which is not part of it.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a generator gets: a conversation that ends with a user's turn."""

    turns: tuple[Turn, ...]
    sampling: Sampling


class Finish(StrEnum):
    """Why a generator ended by itself."""

    STOP = "stop"
    LENGTH = "length"
    BLOCKED = "blocked"
    """A server's own filter ended it: erase what was shown."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it grows: never empty, never half a character."""

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The last thing that a generator yields."""

    finish: Finish
    prompt_tokens: int
    completion_tokens: int


class Cancellation:
    """Tells a generator to stop, from whatever thread; it does so within one step."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled."""
        return self._cancelled

    def cancel(self) -> None:
        """Cancels once; later calls change nothing."""
        with self._lock:
            self._cancelled, callbacks, self._callbacks = True, self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Calls `callback` when somebody cancels, or at once if that has happened."""
        with self._lock:
            if not self._cancelled:
                self._callbacks.append(callback)
                return
        callback()


class Generator(ABC):
    """Writes the next turn of conversations, many at once, each called from a thread of its own."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def version(self) -> str:
        """What runs, as messages carry it: `name@version+sha256:…`, or the upstream's name."""

    @property
    @abstractmethod
    def context_tokens(self) -> int:
        """Prompt and answer together have at most so many tokens."""

    @property
    def stall_s(self) -> float:
        """One that says nothing for so many seconds has failed, whatever it still does."""
        return 180.0

    @abstractmethod
    def count_tokens(self, turns: Sequence[Turn]) -> int:
        """Tokens of a prompt, as `usage` counts them; an estimate where the upstream counts."""

    @abstractmethod
    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        """Pieces, and `Ended` last; cancelled, it ends without that, within one step.

        Raises TooLarge if the prompt leaves no room for an answer, Overloaded if no place is
        free, and ModelUnavailable if the model fails, before the first piece or in mid-answer.
        """
