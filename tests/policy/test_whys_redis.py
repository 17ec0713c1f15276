"""Messages wait in line for their words to be named."""

import pytest
import redis

from inference.attribution import Target
from policy import keys, whys_redis
from policy.whys import Question
from policy.whys_redis import Questions

RUDE = (Target("manners", "rude", 0.5), Target("manners", "loud", 0.25))


@pytest.fixture
def questions(valkey: redis.Redis) -> Questions:
    return Questions(valkey, "worker-1")


def test_questions_are_taken_in_order_and_by_one_worker_each(
    valkey: redis.Redis, questions: Questions
) -> None:
    questions.ask([Question("a", RUDE), Question("b", RUDE)])

    first, second = questions.take(10), Questions(valkey, "worker-2").take(10)

    assert first is not None
    assert second is not None
    assert (first[1], second[1]) == (Question("a", RUDE), Question("b", RUDE))
    assert questions.take(10) is None


def test_a_question_is_gone_once_it_is_done(valkey: redis.Redis, questions: Questions) -> None:
    questions.ask([Question("a", RUDE)])
    taken = questions.take(10)
    assert taken is not None

    questions.done(taken[0])

    assert valkey.xlen(keys.UNEXPLAINED) == 0
    assert valkey.xpending(keys.UNEXPLAINED, keys.UNEXPLAINED_GROUP)["pending"] == 0


def test_a_question_of_a_worker_that_died_is_taken_over(
    valkey: redis.Redis, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions.ask([Question("a", RUDE)])
    questions.take(10)
    monkeypatch.setattr(whys_redis, "ADOPT_AFTER_MS", 0)

    taken = Questions(valkey, "worker-2").take(10)

    assert taken is not None
    assert taken[1].id == "a"


def test_a_full_line_takes_no_more(
    valkey: redis.Redis, questions: Questions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whys_redis, "MAX_WAITING", 3)

    dropped = [questions.ask([Question(str(n), RUDE)] * 2) for n in range(3)]

    assert dropped == [0, 1, 2]
    assert valkey.xlen(keys.UNEXPLAINED) == 3


def test_a_question_is_late_after_five_minutes(valkey: redis.Redis, questions: Questions) -> None:
    now_ms = int(valkey.time()[0]) * 1000

    assert questions.is_late(f"{now_ms - 302_000}-0")
    assert not questions.is_late(f"{now_ms - 298_000}-0")


def test_nothing_asked_is_nothing_done(valkey: redis.Redis, questions: Questions) -> None:
    assert questions.ask([]) == 0
    assert valkey.exists(keys.UNEXPLAINED) == 0
