"""Names the words behind flags, in a worker's idle moments, and stores them with the verdicts."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict

import redis
from django.db import DatabaseError, close_old_connections, connection

from inference import metrics_prometheus as metrics
from inference.attribution import Score, explain
from inference.types import Scores
from policy.models import VerdictRecord
from policy.whys import Question
from policy.whys_redis import Questions

BLOCK_MS = 500
AT_ONCE = 2
"""Texts scored between two looks at whether the worker has something to judge."""
WAIT_S = 0.5

logger = logging.getLogger(__name__)


class _Stopped(Exception):
    """The worker ends; the question stays for another one."""


class Explainer:
    """Answers waiting questions, one after the other.

    `score_with` gives what scores with certain plugins; `wait_idle` waits at most so many seconds
    for the worker to have nothing to judge, and says whether it has.
    """

    def __init__(
        self,
        questions: Questions,
        score_with: Callable[[Collection[str]], Score],
        wait_idle: Callable[[float], bool],
    ) -> None:
        self._questions = questions
        self._score_with = score_with
        self._wait_idle = wait_idle

    def run(self, stop: threading.Event) -> None:
        """Answers until told to stop; what fails is tried again, perhaps by another worker."""
        while not stop.is_set():
            try:
                close_old_connections()
                self.answer_next(stop)
            except _Stopped:
                return
            except (redis.RedisError, DatabaseError, OSError) as error:
                logger.warning("Words that drove a verdict are not stored yet: %s", error)
                connection.close()
                stop.wait(1)
            except Exception:
                # Taken again after a while, and dropped when that goes on.
                logger.exception("The words that drove a verdict could not be named")

    def answer_next(self, stop: threading.Event, block_ms: int = BLOCK_MS) -> bool:
        """Answers one question; whether there was one. Raises what Redis or the database raises."""
        taken = self._questions.take(block_ms)
        if taken is None:
            return False
        place, question = taken
        if self._questions.is_late(place):
            metrics.DROPS.labels(reason="unexplained").inc()
        else:
            started = time.perf_counter()
            self._answer(question, stop)
            metrics.EXPLAIN_SECONDS.observe(time.perf_counter() - started)
        self._questions.done(place)
        return True

    def _answer(self, question: Question, stop: threading.Event) -> None:
        records = VerdictRecord.objects.filter(pk=question.id)
        for text in records.values_list("text", flat=True):
            score = self._score_with({target.plugin for target in question.targets})
            found = explain(text, question.targets, self._politely(score, stop))
            records.update(highlights=[asdict(each) for each in found])

    def _politely(self, score: Score, stop: threading.Event) -> Score:
        """The same scores, asked for only while the worker has nothing to judge."""

        def ask(texts: Sequence[str]) -> list[Scores]:
            found: list[Scores] = []
            for start in range(0, len(texts), AT_ONCE):
                self._await_turn(stop)
                found += score(texts[start : start + AT_ONCE])
            return found

        return ask

    def _await_turn(self, stop: threading.Event) -> None:
        while not stop.is_set():
            if self._wait_idle(WAIT_S):
                return
        raise _Stopped
