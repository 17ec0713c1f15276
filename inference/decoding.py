"""Continuous batching: many answers advance together, one token each in every step.

`Batch` is what one thread does, round after round: answers leave, join and take their next token.
Orca (Yu et al., 2022) is where the idea comes from; prompts are read in pieces so that running
answers go on meanwhile, as in Sarathi (Agrawal et al., 2023).
"""

import queue
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from inference.errors import RtaiError
from inference.generator import Cancellation, Ended, Finish, Piece
from inference.growing_text import GrowingText

PREFILL_TOKENS = 64
"""So many tokens of new prompts are read between two steps of the running answers."""

Row = Any
"""What a decoder says of the next token, and only it and its choosers understand."""


class Decoder(Protocol):
    """A model with a cache for `slots` sequences of at most `context` tokens."""

    @property
    def slots(self) -> int:
        """So many sequences at once."""
        ...

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> Row:
        """Reads tokens of one sequence behind its first `start`; what comes after the last."""
        ...

    def step(self, tokens: Sequence[int], lengths: Sequence[int]) -> Iterable[Row]:
        """Reads one more token of each of the first slots, whose sequences then are so long."""
        ...

    def move(self, source: int, target: int, length: int) -> None:
        """Puts the first `length` tokens of a slot into another one."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What one answer is made from; `choose` picks the next token from a decoder's row."""

    tokens: Sequence[int]
    choose: Callable[[Row], int]
    text: GrowingText
    stop_tokens: Collection[int]
    max_tokens: int
    """At most so many more, which prompt and context allow."""
    cancellation: Cancellation


class Answer:
    """One answer under way: the owner's thread writes it, its reader takes it from a queue."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.read = 0
        """Tokens of the prompt that the decoder has read."""
        self.token = 0
        """The last token chosen, which the decoder has yet to read."""
        self.count = 0
        """Tokens chosen so far."""
        self.abandoned = False
        """Set by a reader that left."""
        self._pieces: queue.SimpleQueue[Piece | Ended | RtaiError | None] = queue.SimpleQueue()

    @property
    def length(self) -> int:
        """Tokens in the cache, together with the last one chosen."""
        return len(self.request.tokens) + self.count

    @property
    def unwanted(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.abandoned or self.request.cancellation.cancelled

    def take(self, row: Row) -> bool:
        """Chooses the next token and shows its text; False if the answer ends here."""
        try:
            self.token = self.request.choose(row)
        except RtaiError as error:
            self.end(error)
            return False
        if self.token in self.request.stop_tokens:
            return self._finish(Finish.STOP)
        self.count += 1
        self._show(self.request.text.push(self.token))
        if self.request.text.stopped:
            return self._finish(Finish.STOP)
        return self.count < self.request.max_tokens or self._finish(Finish.LENGTH)

    def end(self, last: Ended | RtaiError | None) -> None:
        """Tells the reader that nothing more comes: None for an answer nobody wants."""
        self._pieces.put(last)

    def pieces(self) -> Iterator[Piece | Ended]:
        """What the reader gets; raises the error with which the answer ended."""
        try:
            while (found := self._pieces.get()) is not None:
                if isinstance(found, RtaiError):
                    raise found
                yield found
                if isinstance(found, Ended):
                    return
        finally:
            self.abandoned = True

    def _show(self, text: str) -> None:
        if text:
            self._pieces.put(Piece(text))

    def _finish(self, finish: Finish) -> bool:
        self._show(self.request.text.rest())
        self.end(Ended(finish, len(self.request.tokens), self.count))
        return False


class Batch:
    """The answers that one decoder writes, in its first slots without a gap.

    At most one more answer is joining: its prompt is read in a slot behind those that run.
    """

    def __init__(self, decoder: Decoder, prefill_tokens: int = PREFILL_TOKENS) -> None:
        self._decoder = decoder
        self._prefill_tokens = prefill_tokens
        self._running: list[Answer] = []
        self._joining: Answer | None = None
        self._slot = 0
        """Where the joining answer's prompt is read."""

    @property
    def answers(self) -> list[Answer]:
        """All of them."""
        return [*self._running, *([self._joining] if self._joining else [])]

    def advance(self, waiting: deque[Answer]) -> None:
        """One round: whoever is unwanted leaves, others join, and each gets its next token."""
        self._leave([number for number, each in enumerate(self._running) if each.unwanted])
        self._join(waiting)
        if not self._running:
            return
        tokens = [each.token for each in self._running]
        rows = self._decoder.step(tokens, [each.length for each in self._running])
        ended = [
            number
            for number, (each, row) in enumerate(zip(self._running, rows, strict=True))
            if not each.take(row)
        ]
        self._leave(ended)

    def _leave(self, numbers: Sequence[int]) -> None:
        """Takes answers out; the last one's cache takes each one's place."""
        for number in reversed(numbers):
            last = self._running.pop()
            left = last if number == len(self._running) else self._running[number]
            if left.unwanted:
                left.end(None)
            if left is not last:
                self._decoder.move(len(self._running), number, last.length - 1)
                self._running[number] = last

    def _join(self, waiting: deque[Answer]) -> None:
        """Reads prompts, as far as this round's budget goes.

        A prompt is always cut at the same places, for a decoder in bytes may say something else
        of one that is cut elsewhere: whoever else joins, it waits until a part fits whole.
        """
        budget = self._prefill_tokens
        while answer := self._candidate(waiting):
            tokens = answer.request.tokens[answer.read : answer.read + self._prefill_tokens]
            if len(tokens) > budget:
                return
            row = self._decoder.prefill(self._slot, tokens, answer.read)
            answer.read += len(tokens)
            budget -= len(tokens)
            if answer.read == len(answer.request.tokens):
                self._start(answer, row)

    def _candidate(self, waiting: deque[Answer]) -> Answer | None:
        """The answer whose prompt is to be read on, or begun."""
        if self._joining and self._joining.unwanted:
            self._joining.end(None)
            self._joining = None
        if not self._joining and waiting and len(self._running) < self._decoder.slots:
            self._joining, self._slot = waiting.popleft(), len(self._running)
        return self._joining

    def _start(self, answer: Answer, row: Row) -> None:
        self._joining = None
        if not answer.take(row):
            return
        # Others may have left meanwhile; then the first slots have a gap before this one.
        if self._slot != len(self._running):
            self._decoder.move(self._slot, len(self._running), answer.length - 1)
        self._running.append(answer)
