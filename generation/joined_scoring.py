"""Scores together what several threads ask for at the same time: a batch costs less than its
texts one by one."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from inference.types import Scores
from policy.judging import Scorer


@dataclass(slots=True)
class _Asked:
    texts: Sequence[str]
    scores: list[Scores] | None = None
    error: Exception | None = None


class JoinedScorer:
    """A scorer for many threads: one of them scores for all that wait, the others wait for it."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._asked: list[_Asked] = []
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    def score(self, texts: Sequence[str]) -> list[Scores]:
        """One Scores per text, in order; raises what the scorer raises."""
        mine = _Asked(texts)
        with self._lock:
            self._asked.append(mine)
        with self._turn:
            if mine.scores is None and mine.error is None:
                self._score_all()
        if mine.scores is None:
            raise mine.error or RuntimeError("Nothing was scored.")
        return mine.scores

    def _score_all(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, []
        try:
            scores = self._scorer.score([text for each in asked for text in each.texts])
        except Exception as error:  # Whoever asked has to know.
            for each in asked:
                each.error = error
            return
        for each in asked:
            each.scores, scores = scores[: len(each.texts)], scores[len(each.texts) :]
