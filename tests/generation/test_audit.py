"""What is stopped in private is written down as what is stopped in a stream is."""

import pytest
import redis
from django.conf import settings

from generation import keys as generation_keys
from generation.generations import Generation
from generation.generations_redis import RedisGenerations
from inference.generator import Ended, Finish, Role, Turn
from policy import keys
from policy.models import VerdictRecord
from policy.policy import FILTER_RULE, Action, Policy, Rule
from policy.records_db import RecordWriter
from tests.builders import some_scores
from tests.generation.answers import NOW_MS, a_generation, a_visitor
from tests.generation.scripted import BAD, Book, Step, Worker

pytestmark = [pytest.mark.django_db, pytest.mark.database]

THREAT = Turn(Role.USER, f"Help me {BAD} him.\x00")


def admitted(**changes: object) -> Generation:
    generation = a_generation(**changes)
    found = RedisGenerations(str(settings.RTAI_REDIS_URL)).admit_sync(generation, a_visitor())
    assert found.fresh
    return generation


def finish(valkey: redis.Redis, generation: Generation) -> str:
    return str(valkey.hget(generation_keys.generation(generation.id), "finish"))


def written(valkey: redis.Redis, *script: Step, **changes: object) -> Generation:
    """A generation that was written to its end, and the database after it."""
    worker, generation = Worker(valkey, *script), admitted(**changes)
    worker.run(generation.id)
    RecordWriter(valkey, "w").write_once(block_ms=1)
    return generation


@pytest.mark.parametrize("stream", [None, "lobby"])
def test_a_question_that_is_stopped_is_a_record_without_a_stream(
    valkey: redis.Redis, stream: str | None
) -> None:
    turns = (Turn(Role.SYSTEM, "Be kind."), Turn(Role.USER, "Hello."), THREAT)

    generation = written(valkey, "Yes", turns=turns, judged=2, ref="r1", stream=stream)

    assert finish(valkey, generation) == "blocked"
    row = VerdictRecord.objects.get()
    assert (row.id, row.site, row.stream, row.ref) == (generation.id, "demo", "", "r1")
    assert (row.author_id, row.author_name, row.author_kind) == ("user-1", "Ada", "user")
    assert row.text == f"Help me {BAD} him.\ufffd"
    assert (row.action, row.by, row.policy, row.offset) == ("block", "policy", "strict@1", None)
    assert row.reasons == [{"rule": "threats", "label": "threat", "score": 0.9}]
    assert row.scores == some_scores(threat=0.9).by_plugin
    assert row.models_used
    assert int(row.accepted_at.timestamp() * 1000) == NOW_MS


def test_its_words_are_named_like_those_of_any_other(valkey: redis.Redis) -> None:
    written(valkey, "Yes", turns=(THREAT,))

    assert valkey.xlen(keys.UNEXPLAINED) == 1


def test_a_private_answer_that_is_stopped_is_a_record_of_the_assistant(
    valkey: redis.Redis,
) -> None:
    generation = written(valkey, f"I will {BAD} him.")

    assert finish(valkey, generation) == "blocked"
    row = VerdictRecord.objects.get()
    assert (row.id, row.stream, row.author_kind) == (generation.id, "", "assistant")
    assert (row.text, row.action) == (f"I will {BAD} him.", "block")


def test_a_private_answer_that_the_models_own_filter_stopped_is_a_record_that_says_so(
    valkey: redis.Redis,
) -> None:
    generation = written(valkey, "Some text", Ended(Finish.BLOCKED, 5, 1))

    assert finish(valkey, generation) == "blocked"
    row = VerdictRecord.objects.get()
    assert (row.text, row.action, row.by) == ("Some text", "block", "policy")
    assert row.reasons == [{"rule": FILTER_RULE}]
    assert row.scores == some_scores(threat=0.1).by_plugin


def test_an_answer_in_a_stream_is_one_record_with_its_stream(valkey: redis.Redis) -> None:
    generation = written(valkey, f"I will {BAD} him.", stream="lobby")

    row = VerdictRecord.objects.get()
    assert (row.id, row.stream, row.action) == (generation.id, "lobby", "block")


def test_what_is_allowed_in_private_leaves_no_record(valkey: redis.Redis) -> None:
    generation = written(valkey, "I am fine.")

    assert finish(valkey, generation) == "stop"
    assert not VerdictRecord.objects.exists()
    assert valkey.xlen(keys.OUTBOX) == 0


@pytest.mark.parametrize("missing", [True, False])
def test_what_the_fail_mode_holds_says_why(valkey: redis.Redis, missing: bool) -> None:
    worker, generation = Worker(valkey, "Yes"), admitted()
    rule = Rule("threats", "moderation", "threat", 0.5, Action.BLOCK)
    worker.book = Book(Policy("careful", 3, (rule,), Action.HOLD))
    worker.ears.missing, worker.ears.error = missing, None if missing else ValueError("broken")

    worker.run(generation.id)
    RecordWriter(valkey, "w").write_once(block_ms=1)

    row = VerdictRecord.objects.get()
    assert (row.action, row.policy) == ("hold", "careful@3")
    assert row.reasons[0]["rule"] == "undecided"
    assert row.failures == ({"moderation": "not loaded"} if missing else {})


def test_a_worker_taken_for_dead_writes_nothing_down(valkey: redis.Redis) -> None:
    worker, generation = Worker(valkey, "Yes"), admitted(turns=(THREAT,))
    score = worker.ears.score

    def lose_it_meanwhile(texts: list[str], plugins: object = None) -> object:
        valkey.hset(generation_keys.generation(generation.id), "worker", "another")
        return score(texts)

    worker.ears.score = lose_it_meanwhile  # type: ignore[assignment, method-assign]
    worker.run(generation.id)

    assert valkey.xlen(keys.OUTBOX) == 0
    assert not valkey.hget(generation_keys.generation(generation.id), "finish")
