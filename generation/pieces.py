"""A model's text on its way to readers: the first piece at once, later ones joined."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Protocol, TypeAlias

from generation.generations import Generation
from inference.batching import BYTES_PER_TOKEN
from inference.errors import ModelUnavailable
from inference.generator import Cancellation, Ended, Finish, Generator, Piece, Prompt

SPARE = 8
"""The part of `max_tokens` by which a model's pieces may exceed it, for it may cut them otherwise;
and 4 at least."""
LONG_TOKEN = 8
"""More characters than any language's tokens have on average: pieces may hold several tokens."""
WINDOW_S = 0.04
"""So long at most pieces are joined."""
REFUSAL_S = 2.0
"""A model that says nothing for so long at first has begun to think: it refuses sooner."""


Item: TypeAlias = Piece | Ended | Exception | None
"""What a model's thread says; None is its end without a word."""


class Inbox(Protocol):
    """Where a model's thread puts what it says."""

    def put(self, item: Item) -> None:
        """Adds an item."""
        ...

    def get(self, *, timeout: float) -> Item:
        """The oldest item; raises queue.Empty where none comes for so many seconds."""
        ...


class Watcher(Protocol):
    """Who wants to know how a model writes."""

    def first(self, model: str, seconds: float) -> None:
        """The model's first piece came so long after it was asked."""
        ...

    def next(self, model: str, seconds: float) -> None:
        """A piece came so long after the one before."""
        ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """Some text, may be none, of so many pieces; `end` is None while more comes."""

    text: str
    count: int
    end: Ended | Exception | None = None

    @property
    def tokens(self) -> int:
        """How many it is, at least; a backend may put many into one piece."""
        return max(self.count, len(self.text) // BYTES_PER_TOKEN)


class Pieces:
    """Runs a generator in a thread of its own, so that time passes whatever it does.

    Iterating gives what is to be shown next, and ends after the first Gathered with an `end`, or
    when the cancellation is called. The first one comes with the model's first word, or without
    any text where that takes long.
    """

    def __init__(  # noqa: PLR0913 (time passes on the clock and in the inbox)
        self,
        generator: Generator,
        generation: Generation,
        cancellation: Cancellation,
        watcher: Watcher,
        clock: Callable[[], float] = time.monotonic,
        inbox: Inbox | None = None,
    ) -> None:
        self._generator = generator
        self._prompt = Prompt(generation.turns, generation.sampling)
        self._cancellation = cancellation
        self._watcher = watcher
        self._model = generation.model
        self._clock = clock
        self._thinks = False
        """Whether the model has begun, as far as one can tell."""
        self._inbox: Inbox = SimpleQueue() if inbox is None else inbox

    def __iter__(self) -> Iterator[Gathered]:
        threading.Thread(target=self._pump, name="model", daemon=True).start()
        self._cancellation.on_cancel(lambda: self._inbox.put(None))
        shown_at = -WINDOW_S
        while not self._cancellation.cancelled:
            gathered = self._gather(shown_at + WINDOW_S)
            shown_at = self._clock()
            yield gathered
            if gathered.end is not None:
                return

    def _gather(self, until: float) -> Gathered:
        """Waits for something, and then for more until that time."""
        texts: list[str] = []
        while True:
            try:
                item = self._inbox.get(timeout=self._patience(until, bool(texts)))
            except Empty:
                if texts or not self._thinks:
                    self._thinks = True
                    return Gathered("".join(texts), len(texts))
                stall_s = self._generator.stall_s
                return Gathered("", 0, ModelUnavailable(f"No word for {stall_s:.0f} s."))
            if not isinstance(item, Piece):
                end = ModelUnavailable("The model ended without a word.") if item is None else item
                return Gathered("".join(texts), len(texts), end)
            texts.append(item.text)

    def _patience(self, until: float, has_some: bool) -> float:
        if has_some:
            return max(0.0, until - self._clock())
        return self._generator.stall_s if self._thinks else REFUSAL_S

    def _pump(self) -> None:
        before, told = self._clock(), self._watcher.first
        try:
            for item in _limited(self._generator, self._prompt, self._cancellation):
                now = self._clock()
                if isinstance(item, Piece):
                    told(self._model, now - before)
                    before, told = now, self._watcher.next
                self._inbox.put(item)
            self._inbox.put(None)
        except Exception as error:  # Whatever foreign code may raise.
            self._inbox.put(error)


def _limited(
    generator: Generator, prompt: Prompt, cancellation: Cancellation
) -> Iterator[Piece | Ended]:
    """What a model says, ended where it clearly has more tokens than were asked for."""
    most = prompt.sampling.max_tokens
    most += max(4, most // SPARE)
    pieces = characters = 0
    for item in generator.generate(prompt, cancellation):
        yield item
        if isinstance(item, Piece):
            pieces, characters = pieces + 1, characters + len(item.text)
            if (tokens := max(pieces, characters // LONG_TOKEN)) >= most:
                yield Ended(Finish.LENGTH, generator.count_tokens(prompt.turns), tokens)
                return
