"""Scores together what several threads ask for at the same time: a batch costs less than its
texts one by one."""

import threading
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from inference.batching import MAX_TOKENS, work
from inference.types import Scores


class Scorer(Protocol):
    """What scores; see `inference.scoring`."""

    def score(
        self, texts: Sequence[str], plugins: Collection[str] | None = None
    ) -> list[Scores]: ...


@dataclass(slots=True)
class _Asked:
    texts: Sequence[str]
    plugins: Collection[str] | None
    scores: list[Scores] = field(default_factory=list)
    error: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self.error is not None or len(self.scores) == len(self.texts)


_Waiting = tuple[_Asked, str]


class JoinedScorer:
    """A scorer for many threads: one of them scores for those that wait, the oldest texts first.

    What is scored together is scored by the same plugins.
    A call is small, unless a single text is large, so that whoever watches the calls can tell
    one that hangs from many that wait.
    """

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._scoring = False

    def score(self, texts: Sequence[str], plugins: Collection[str] | None = None) -> list[Scores]:
        """One Scores per text, in order, by these plugins or all; raises what the scorer raises."""
        mine = _Asked(texts, plugins)
        with self._changed:
            self._waiting.extend((mine, text) for text in texts)
        while batch := self._turn(mine):
            self._score(batch)
        if mine.error is not None:
            raise mine.error
        return mine.scores

    def _turn(self, mine: _Asked) -> list[_Waiting]:
        """What to score as soon as nobody else scores; nothing where mine is over by then."""
        with self._changed:
            self._changed.wait_for(lambda: mine.is_over or not self._scoring)
            if mine.is_over:
                return []
            self._scoring = True
            return self._oldest()

    def _oldest(self) -> list[_Waiting]:
        found: list[_Waiting] = []
        left = MAX_TOKENS
        while self._waiting:
            asked, text = self._waiting[0]
            left -= work(text)
            if found and (left < 0 or asked.plugins != found[0][0].plugins):
                break
            found.append(self._waiting.popleft())
        return found

    def _score(self, batch: Sequence[_Waiting]) -> None:
        scores: Sequence[Scores] = ()
        failed: Exception = RuntimeError("Nothing was scored.")
        try:
            scores = self._scorer.score([text for _, text in batch], batch[0][0].plugins)
        except Exception as error:  # Whoever asked has to know.
            failed = error
        finally:
            with self._changed:
                self._tell(batch, scores, failed)
                self._scoring = False
                self._changed.notify_all()

    def _tell(self, batch: Sequence[_Waiting], scores: Sequence[Scores], failed: Exception) -> None:
        if len(scores) == len(batch):
            for (asked, _), found in zip(batch, scores, strict=True):
                asked.scores.append(found)
            return
        for asked, _ in batch:
            asked.error = failed
        self._waiting = deque(each for each in self._waiting if each[0].error is None)
