"""Writes one answer: judged, told piece by piece, and published in its stream."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from generation import pieces
from generation.endings import Ending, Lost, Stop
from generation.generations import FinishReason, Generation, Usage
from generation.judge import Judge, stops
from generation.leases import CANCELLED
from generation.pieces import Gathered, Pieces
from generation.store import Work
from inference.errors import Overloaded, RtaiError
from inference.generator import Ended, Finish, Generator
from policy.messages import Verdict
from policy.policy import FILTER_RULE

SENTENCE_ENDS = frozenset(".!?…。！？।\n")
JUDGE_TOKENS = 40
"""Text without the end of a sentence is judged at least this often."""
CONTEXT = 400
"""So many characters before a new part are judged with it."""
MAX_CHARACTERS = 200_000
"""Whatever a backend thinks of `max_tokens`."""
PATIENCE_S = 8.0
"""How long an answer waits for a Redis that is away; then its lease has run out anyhow."""
PAUSE_S = 0.1

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Watcher(pieces.Watcher, Protocol):
    """Who wants to know how answers come along."""

    def began(self, waited_s: float) -> None:
        """A generation was taken so long after it was accepted."""
        ...

    def shown(self, waited_s: float) -> None:
        """Its first text was told so long after it was accepted."""
        ...

    def ended(self, reason: FinishReason, usage: Usage) -> None:
        """It has ended, told by this worker."""
        ...

    def over(self) -> None:
        """This worker has nothing to do with it any more, whoever told its end."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """What a worker writes answers with. `now_ms` is since the Unix epoch."""

    work: Work
    judge: Judge
    generator: Callable[[str], Generator]
    """By a model's public name; raises ModelUnavailable."""
    speak: Callable[[Verdict, bool], bool]
    """See `policy.verdicts.Publisher.speak`; raises Overloaded while Redis is away."""
    note: Callable[[Verdict], None]
    """See `policy.verdicts.Publisher.note`; raises Overloaded while Redis is away."""
    watcher: Watcher
    now_ms: Callable[[], int]


class Answer:
    """One generation while it is written; `write` is called once, and `usage` after it."""

    def __init__(self, generation: Generation, ports: Ports, stop: Stop) -> None:
        self._generation = generation
        self._ports = ports
        self._stop = stop
        self._generator: Generator | None = None
        self._begun = False
        self._text = ""
        self._told = 0
        self._judged = 0
        self._doubtful = False
        """Whether something of it is held, should it still be doubtful in the end."""
        self._tokens = 0
        self._all_tokens = 0
        self._usage: Usage | None = None
        self._verdict: Verdict | None = None

    def write(self) -> Ending:
        """Writes it, and publishes it where it belongs to a stream; raises Lost."""
        try:
            ending = _ending_of(self._written)
            return _ending_of(lambda: self._published(ending))
        finally:
            self._stop.cancellation.cancel()

    @property
    def usage(self) -> Usage:
        """Its tokens: as the model counted them, or estimated where it was not asked to the end."""
        if self._usage is None:
            self._usage = Usage(self._prompt_tokens(), self._all_tokens)
        return self._usage

    def _prompt_tokens(self) -> int:
        if self._generator is None:
            return 0
        try:
            return self._generator.count_tokens(self._generation.turns)
        except Exception:
            logger.exception("The tokens of a prompt were not counted")
            return 0

    def _written(self) -> Ending:
        if verdict := self._ports.judge.prompt(self._generation):
            self._note(verdict)
            return _blocked("question", *verdict.decision.causes)
        generator = self._ports.generator(self._generation.model)
        if ending := self._must_stop():
            return ending
        self._generator = generator
        watcher, cancellation = self._ports.watcher, self._stop.cancellation
        for gathered in Pieces(generator, self._generation, cancellation, watcher):
            if ending := self._stop.ending or self._begin(gathered) or self._take(gathered):
                return ending
        return self._stopped()

    def _begin(self, gathered: Gathered) -> Ending | None:
        """Announces the answer, once, unless the model refuses to write it."""
        refuses = isinstance(gathered.end, Exception) and not gathered.text
        if self._begun or refuses:
            return None
        shows = gathered.text and gathered.end is None
        if shows and not self._is_due(gathered.text, gathered.tokens):
            self._begun = True  # Telling the text announces it as well.
            return None
        self._begun = patiently(lambda: self._ports.work.start(self._generation))
        return None if self._begun else self._stopped()

    def _take(self, gathered: Gathered) -> Ending | None:
        """Grows by what was gathered; what it ends with, if it does."""
        self._tokens += gathered.tokens
        self._all_tokens += gathered.tokens
        # Half a surrogate pair may come from an upstream's JSON, and cannot be stored.
        text = gathered.text.encode("utf-8", "replace").decode()
        if isinstance(gathered.end, Ended):
            return self._end(text, gathered.end)
        if ending := self._grow(text, whole=False):
            return ending
        if gathered.end is not None:
            raise gathered.end
        return Ending(FinishReason.LENGTH) if len(self._text) > MAX_CHARACTERS else None

    def _end(self, text: str, end: Ended) -> Ending:
        """Grows by the last text, unless the model's own filter takes all of it back."""
        self._usage = Usage(end.prompt_tokens, end.completion_tokens)
        if end.finish is Finish.BLOCKED:
            return self._filtered(self._text + text)
        return self._grow(text, whole=True) or Ending(FinishReason(end.finish.value))

    def _filtered(self, text: str) -> Ending:
        """The end of an answer that the model's own filter stopped."""
        if text:
            self._verdict = self._ports.judge.filtered(self._generation, text)
        return _blocked("answer", FILTER_RULE)

    def _grow(self, text: str, *, whole: bool) -> Ending | None:
        """Shows more of the answer, after it was judged where that is due."""
        grown = self._text + text
        if grown and (whole or self._is_due(text)):
            verdict = self._judge_all(grown) if whole else self._judge_new(grown)
            stopped = stops(verdict, whole=whole)
            if whole or stopped:
                self._verdict = verdict
            if stopped:
                return _blocked("answer", *verdict.decision.causes)
            self._judged, self._tokens = len(grown), 0
            self._doubtful |= not verdict.action.publishes
        self._text = grown
        return self._tell()

    def _is_due(self, text: str, tokens: int = 0) -> bool:
        """Whether it is judged before this text is shown, which adds so many tokens."""
        return self._tokens + tokens >= JUDGE_TOKENS or not SENTENCE_ENDS.isdisjoint(text)

    def _tell(self) -> Ending | None:
        """Tells what was not told yet, or what Redis has lost of it."""
        while self._told < len(self._text):
            if (held := patiently(self._append)) is None:
                return self._stopped()
            if self._told == 0:
                self._ports.watcher.shown(self._waited_s())
            self._told = held
        return None

    def _append(self) -> int | None:
        rest = self._text[self._told :]
        return self._ports.work.append(self._generation, self._told, rest)

    def _stopped(self) -> Ending:
        """Why it must stop; raises Lost if it is not ours any more."""
        if ending := self._must_stop():
            return ending
        raise Lost

    def _must_stop(self) -> Ending | None:
        """Why it must stop, None if it may go on; raises Lost if it is not ours any more."""
        if ending := self._stop.ending:
            return ending
        id = self._generation.id
        told = patiently(lambda: self._ports.work.stopped([id]))
        if id not in told:
            return None
        if not told[id]:
            raise Lost
        return CANCELLED

    def _published(self, ending: Ending) -> Ending:
        """Makes the answer a message of its stream before its end is told.

        One that was interrupted is no message: it keeps what was shown, if that may be shown.
        """
        if ending.reason is not FinishReason.BLOCKED:
            self._text = self._text[: self._told]
            self._verdict = self._last_verdict(ending)
        verdict = self._verdict
        if verdict is None:
            return ending
        if verdict.action.publishes and ending.reason is FinishReason.INTERRUPTED:
            return ending
        if self._generation.stream is not None:
            self._still_ours()
            patiently(lambda: self._ports.speak(verdict, self._told > 0))
        elif not verdict.action.publishes:
            self._note(verdict)
        return ending if verdict.action.publishes else _blocked("answer", *verdict.decision.causes)

    def _last_verdict(self, ending: Ending) -> Verdict | None:
        """The verdict on all that was told; None where there is nothing to judge."""
        fine = self._told <= self._judged and not self._doubtful
        if self._verdict is not None and self._verdict.message.text == self._text:
            return self._verdict
        if ending.reason is FinishReason.INTERRUPTED and fine:
            return None
        return self._judge_all(self._text) if self._text else None

    def _note(self, verdict: Verdict) -> None:
        """Writes down what was stopped, where no message tells of it."""
        self._still_ours()
        patiently(lambda: self._ports.note(verdict))

    def _judge_all(self, text: str) -> Verdict:
        return self._ports.judge.answer(self._generation, text)

    def _judge_new(self, text: str) -> Verdict:
        """The verdict on what was not judged yet, with some of what stands before it."""
        start = max(0, self._judged - CONTEXT)
        return self._ports.judge.growing(self._generation, text, text[start:])

    def _still_ours(self) -> None:
        id = self._generation.id
        if patiently(lambda: self._ports.work.renew([id])).get(id) is False:
            raise Lost

    def _waited_s(self) -> float:
        return max(0, self._ports.now_ms() - self._generation.accepted_ms) / 1000


def _ending_of(step: Callable[[], Ending]) -> Ending:
    """How a step ends, or what interrupts it; raises Lost."""
    try:
        return step()
    except RtaiError as error:
        return Ending(FinishReason.INTERRUPTED, error.code, error.detail, error.retry_after_ms)
    except Lost:
        raise
    except Exception:
        logger.exception("A generation failed")
        return Ending(FinishReason.INTERRUPTED, RtaiError.code, "The worker failed.")


def patiently(call: Callable[[], T]) -> T:
    """The call's result, tried again while Redis is away; raises Overloaded in the end."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except Overloaded:
            if time.monotonic() > until:
                raise
            time.sleep(PAUSE_S)


def _blocked(what: str, *causes: str) -> Ending:
    return Ending(FinishReason.BLOCKED, detail=f"The {what} was stopped by: {', '.join(causes)}.")
