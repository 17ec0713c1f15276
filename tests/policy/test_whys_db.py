"""The words behind a flag are named in idle moments and stored with the verdict."""

import logging
import threading
from collections.abc import Collection, Sequence

import pytest
import redis
from django.db import OperationalError

from inference import attribution
from inference.attribution import Score, Target
from inference.metrics_prometheus import DROPS
from inference.types import Scores
from policy import keys, whys_db
from policy.models import VerdictRecord
from policy.whys import Question
from policy.whys_db import Explainer
from policy.whys_redis import Questions
from tests.policy.records import a_held_record

pytestmark = [pytest.mark.django_db, pytest.mark.database]
RUDE = Target("manners", "rude", 0.5)


def rude(texts: Sequence[str]) -> list[Scores]:
    return [Scores({"manners": {"rude": 0.9 if "idiot" in text else 0.1}}, {}) for text in texts]


def with_rude(plugins: Collection[str]) -> Score:
    assert set(plugins) == {"manners"}
    return rude


def dropped() -> float:
    return float(DROPS.labels(reason="unexplained")._value.get())


@pytest.fixture
def held() -> VerdictRecord:
    return a_held_record("You are such an idiot, my friend")


@pytest.fixture
def questions(valkey: redis.Redis, held: VerdictRecord) -> Questions:
    line = Questions(valkey, "worker-1")
    line.ask([Question(held.pk, (RUDE,))])
    return line


def test_the_words_are_stored_with_the_verdict(
    questions: Questions, held: VerdictRecord, valkey: redis.Redis
) -> None:
    explainer = Explainer(questions, with_rude, lambda _: True)

    answered = [explainer.answer_next(threading.Event(), block_ms=10) for _ in range(2)]

    held.refresh_from_db()
    assert answered == [True, False]
    assert held.highlights == [{"label": "rude", "start": 16, "end": 21, "weight": 0.8}]
    assert valkey.xlen(keys.UNEXPLAINED) == 0


def test_nothing_is_scored_while_the_worker_judges(
    questions: Questions, held: VerdictRecord
) -> None:
    busy = [True, True, True, False]
    asked: list[int] = []

    def wait_idle(timeout_s: float) -> bool:
        return not (busy and busy.pop(0))

    def score_with(plugins: Collection[str]) -> Score:
        def score(texts: Sequence[str]) -> list[Scores]:
            assert not busy
            asked.append(len(texts))
            return rude(texts)

        return score

    Explainer(questions, score_with, wait_idle).answer_next(threading.Event(), block_ms=10)

    held.refresh_from_db()
    assert held.highlights
    assert max(asked) <= whys_db.AT_ONCE


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_ends_leaves_the_question_to_another(
    questions: Questions, valkey: redis.Redis
) -> None:
    stop = threading.Event()

    def wait_idle(timeout_s: float) -> bool:
        stop.set()
        return False

    Explainer(questions, with_rude, wait_idle).run(stop)

    assert valkey.xlen(keys.UNEXPLAINED) == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_ends_asks_the_model_no_more(
    questions: Questions, valkey: redis.Redis
) -> None:
    stop, calls = threading.Event(), []

    def score_with(plugins: Collection[str]) -> Score:
        def score(texts: Sequence[str]) -> list[Scores]:
            calls.append(texts)
            stop.set()
            return rude(texts)

        return score

    Explainer(questions, score_with, lambda _: True).run(stop)

    assert len(calls) == 1
    assert valkey.xlen(keys.UNEXPLAINED) == 1


def test_a_question_that_waited_too_long_is_dropped_and_counted(
    questions: Questions, held: VerdictRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("policy.whys_redis.MAX_AGE_MS", -1_000)
    before = dropped()

    Explainer(questions, with_rude, lambda _: True).answer_next(threading.Event(), block_ms=10)

    held.refresh_from_db()
    assert held.highlights == []
    assert dropped() == before + 1


def test_a_plugin_that_fails_leaves_the_verdict_without_words(
    questions: Questions, held: VerdictRecord, valkey: redis.Redis
) -> None:
    def broken(plugins: Collection[str]) -> Score:
        return lambda texts: [Scores({}, {}, {"manners": "broken"}) for _ in texts]

    Explainer(questions, broken, lambda _: True).answer_next(threading.Event(), block_ms=10)

    held.refresh_from_db()
    assert held.highlights == []
    assert valkey.xlen(keys.UNEXPLAINED) == 0


def test_a_message_that_is_gone_needs_no_words(
    questions: Questions, held: VerdictRecord, valkey: redis.Redis
) -> None:
    held.delete()

    assert Explainer(questions, with_rude, lambda _: True).answer_next(threading.Event(), 10)
    assert valkey.xlen(keys.UNEXPLAINED) == 0


def test_an_answer_that_cannot_be_stored_is_given_again(
    questions: Questions,
    held: VerdictRecord,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stop, calls = threading.Event(), []
    monkeypatch.setattr("policy.whys_redis.ADOPT_AFTER_MS", 0)
    monkeypatch.setattr(whys_db, "connection", _Connection())
    monkeypatch.setattr(whys_db, "close_old_connections", lambda: None)

    def explain(*given: object) -> object:
        calls.append(given)
        if len(calls) == 1:
            raise OperationalError("database is locked")
        found = attribution.explain(*given)  # type: ignore[arg-type]
        stop.set()
        return found

    monkeypatch.setattr(whys_db, "explain", explain)
    timer = threading.Timer(30, stop.set)
    timer.start()
    Explainer(questions, with_rude, lambda _: True).run(stop)
    timer.cancel()

    held.refresh_from_db()
    assert len(calls) == 2
    assert held.highlights
    assert "database is locked" in caplog.text


def test_whatever_else_goes_wrong_is_logged_and_the_thread_goes_on(
    questions: Questions, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stop = threading.Event()
    monkeypatch.setattr(whys_db, "close_old_connections", lambda: None)

    def explain(*_: object) -> object:
        stop.set()
        raise RuntimeError("odd")

    monkeypatch.setattr(whys_db, "explain", explain)
    with caplog.at_level(logging.ERROR):
        Explainer(questions, with_rude, lambda _: True).run(stop)

    assert "could not be named" in caplog.text


class _Connection:
    def close(self) -> None:
        """Stands for the worker's own connection; the test's must stay open."""
