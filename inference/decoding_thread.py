"""Gives a batch a thread of its own while there is work, and takes requests from other threads."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator

from inference.decoding import PREFILL_TOKENS, Answer, Batch, Decoder, Request
from inference.errors import ModelUnavailable, Overloaded
from inference.generator import Ended, Piece
from inference.registry import describe

RETRY_AFTER_MS = 1_000
IDLE_S = 1.0
"""How long the thread waits for more before it ends."""

logger = logging.getLogger(__name__)


class Scheduler:
    """Answers requests from many threads with one decoder, which one thread of its own runs.

    The thread ends when nothing was to do for a while, so that a scheduler that nobody refers to
    is freed. A decoder that fails takes its answers with it, and `reopen` gives another.
    """

    def __init__(
        self,
        decoder: Decoder,
        reopen: Callable[[], Decoder],
        *,
        max_waiting: int,
        prefill_tokens: int = PREFILL_TOKENS,
        idle_s: float = IDLE_S,
    ) -> None:
        self._reopen = reopen
        self._max_waiting = max_waiting
        self._prefill_tokens = prefill_tokens
        self._idle_s = idle_s
        self._slots = decoder.slots
        self._batch: Batch | None = Batch(decoder, prefill_tokens)
        self._waiting: deque[Answer] = deque()
        self._changed = threading.Condition()
        self.running = False
        """Whether its thread runs."""
        self._admitted = 0
        """Answers that run or wait; those that ended since the last round count as well."""

    @property
    def waiting(self) -> int:
        """How many answers wait for a slot."""
        return len(self._waiting)

    def write(self, request: Request) -> Iterator[Piece | Ended]:
        """The answer's pieces; raises Overloaded where too many wait, and ModelUnavailable."""
        answer = Answer(request)
        self._admit(answer)
        yield from answer.pieces()

    def _admit(self, answer: Answer) -> None:
        with self._changed:
            if self._admitted >= self._slots + self._max_waiting:
                raise Overloaded(
                    f"{self._slots} answers are being written and {self._max_waiting} wait.",
                    retry_after_ms=RETRY_AFTER_MS,
                )
            self._admitted += 1
            self._waiting.append(answer)
            self._changed.notify()
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="decoder", daemon=True).start()

    def _run(self) -> None:
        while self._has_work():
            try:
                self._advance()
            except Exception as error:  # Whatever the runtime may raise.
                logger.exception("The decoder failed")
                self._fail(error)

    def _has_work(self) -> bool:
        """Waits for work; False, and the thread is to end, if none came."""
        with self._changed:
            if not self._count():
                self._changed.wait(self._idle_s)
            self.running = self._count() > 0
            return self.running

    def _count(self) -> int:
        """The answers that run or wait, after those left that nobody waits for."""
        for answer in [each for each in self._waiting if each.unwanted]:
            self._waiting.remove(answer)
            answer.end(None)
        self._admitted = len(self._waiting) + (len(self._batch.answers) if self._batch else 0)
        return self._admitted

    def _advance(self) -> None:
        if self._batch is None:
            self._batch = Batch(self._reopen(), self._prefill_tokens)
        self._batch.advance(self._waiting)

    def _fail(self, error: Exception) -> None:
        """Ends what the broken decoder wrote; where none could be opened, all that wait too."""
        gone = self._batch.answers if self._batch else self._waiting_ones()
        self._batch = None
        for answer in gone:
            answer.end(ModelUnavailable(f"The model failed: {describe(error)}"))

    def _waiting_ones(self) -> list[Answer]:
        with self._changed:
            found = list(self._waiting)
            self._waiting.clear()
        return found
