"""Verdicts reach the database behind the live path, and wait while it is away."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pytest
import redis
from django.db import DataError, OperationalError

from inference.attribution import Target
from inference.words import Span
from policy import keys, records_db, verdicts
from policy.messages import Verdict
from policy.models import VerdictRecord
from policy.policy import Action
from policy.records_db import RecordWriter
from policy.whys import Question
from policy.whys_redis import Questions
from tests.builders import a_message, a_verdict

pytestmark = [pytest.mark.django_db, pytest.mark.database]


def leave(valkey: redis.Redis, verdict: Verdict, offset: str = "") -> None:
    record = json.dumps(verdicts.record(verdict))
    valkey.xadd(keys.OUTBOX, {"record": record, "offset": offset})


def test_a_record_becomes_a_row(valkey: redis.Redis) -> None:
    message = a_message(text="Grüße\x00 👋")
    leave(valkey, a_verdict(Action.BLOCK, message=message))

    assert RecordWriter(valkey, "w").write_once(block_ms=10) == 1

    row = VerdictRecord.objects.get()
    assert (row.id, row.action, row.offset) == (message.id, "block", None)
    assert row.text == "Grüße\ufffd 👋"
    assert row.reasons == [{"rule": "threats", "label": "threat", "score": 0.97}]
    assert row.models_used == {"moderation": "guard@1+sha256:0"}
    assert valkey.xlen(keys.OUTBOX) == 0


def test_a_row_keeps_the_passage_that_decided(valkey: redis.Redis) -> None:
    verdict = a_verdict(Action.BLOCK)
    (reason,) = verdict.decision.reasons
    placed = replace(verdict.decision, reasons=(replace(reason, passage=Span(1200, 1900)),))
    leave(valkey, replace(verdict, decision=placed))

    RecordWriter(valkey, "w").write_once(block_ms=10)

    assert VerdictRecord.objects.get().reasons[0]["passage"] == [1200, 1900]


def test_one_who_writes_about_nul_is_taken_at_their_word(valkey: redis.Redis) -> None:
    message = a_message(text="\\u0000, \\\\u0000 and \x00")
    leave(valkey, a_verdict(message=message))

    assert RecordWriter(valkey, "w").write_once(block_ms=10) == 1
    assert VerdictRecord.objects.get().text == "\\u0000, \\\\u0000 and \ufffd"


@pytest.mark.parametrize("record", ["{", "[]", "{}", '{"message": {}, "verdict": 1}', ""])
def test_a_record_that_is_none_is_set_aside_and_holds_up_no_other(
    valkey: redis.Redis, record: str, caplog: pytest.LogCaptureFixture
) -> None:
    valkey.xadd(keys.OUTBOX, {"record": record, "offset": ""})
    leave(valkey, a_verdict())

    assert RecordWriter(valkey, "w").write_once(block_ms=10) == 2
    assert VerdictRecord.objects.count() == 1
    assert valkey.xlen(keys.OUTBOX) == 0
    assert [fields for _, fields in cast(Any, valkey.xrange(keys.UNREADABLE))] == [
        {"record": record, "offset": ""}
    ]
    assert keys.UNREADABLE in caplog.text


def test_a_record_that_the_database_refuses_holds_up_no_other(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, stored = a_message(text="refused"), records_db.store
    for message in (a_message(), refused, a_message()):
        leave(valkey, a_verdict(message=message))

    def store(rows: list[VerdictRecord]) -> None:
        if any(row.text == "refused" for row in rows):
            raise DataError("value too long")
        stored(rows)

    monkeypatch.setattr(records_db, "store", store)
    assert RecordWriter(valkey, "w").write_once(block_ms=10) == 3
    assert VerdictRecord.objects.count() == 2
    assert valkey.xlen(keys.OUTBOX) == 0
    assert valkey.xlen(keys.UNREADABLE) == 1


def test_a_later_verdict_takes_the_row_of_an_earlier_one(valkey: redis.Redis) -> None:
    message = a_message()
    leave(valkey, a_verdict(Action.HOLD, message=message))
    leave(valkey, a_verdict(Action.ALLOW, message=message, by="moderator"), offset="7")

    RecordWriter(valkey, "w").write_once(block_ms=10)

    row = VerdictRecord.objects.get()
    assert (row.action, row.by, row.offset) == ("allow", "moderator", 7)


@pytest.mark.parametrize("clock_ms", [1_000, -1_000], ids=["after", "by a clock that is behind"])
def test_a_verdict_of_the_policy_that_comes_late_leaves_a_moderators_in_its_place(
    valkey: redis.Redis, clock_ms: int
) -> None:
    judged = a_verdict(Action.HOLD)
    decided = a_verdict(Action.ALLOW, message=judged.message, by="moderator")
    decided = replace(decided, decided_ms=judged.decided_ms + clock_ms)
    writer = RecordWriter(valkey, "w")
    for verdict, offset in ((judged, ""), (decided, "7"), (judged, "")):
        leave(valkey, verdict, offset)
        assert writer.write_once(block_ms=10) == 1

    row = VerdictRecord.objects.get()
    assert (row.action, row.by, row.offset) == ("allow", "moderator", 7)
    assert valkey.xlen(keys.OUTBOX) == 0


def test_of_two_verdicts_of_moderators_the_later_one_stays_whichever_comes_first(
    valkey: redis.Redis,
) -> None:
    first = a_verdict(Action.ALLOW, by="moderator")
    second = a_verdict(Action.BLOCK, message=first.message, by="moderator")
    writer = RecordWriter(valkey, "w")
    for verdict in (replace(second, decided_ms=first.decided_ms + 1), first):
        leave(valkey, verdict)
        writer.write_once(block_ms=10)

    assert VerdictRecord.objects.get().action == "block"


def test_a_flagged_message_waits_for_its_words_and_an_allowed_one_does_not(
    valkey: redis.Redis,
) -> None:
    message = a_message()
    leave(valkey, a_verdict(Action.HOLD, message=message))
    leave(valkey, a_verdict())

    RecordWriter(valkey, "w").write_once(block_ms=10)

    questions = Questions(valkey, "w")
    taken = questions.take(10)
    assert taken is not None
    assert taken[1] == Question(message.id, (Target("moderation", "threat", 0.95),))
    assert questions.take(10) is None


def test_words_named_stay_when_a_later_verdict_is_stored(valkey: redis.Redis) -> None:
    message = a_message()
    named = [{"label": "threat", "start": 0, "end": 5, "weight": 0.9}]
    leave(valkey, a_verdict(Action.HOLD, message=message))
    RecordWriter(valkey, "w").write_once(block_ms=10)
    VerdictRecord.objects.update(highlights=named)

    leave(valkey, a_verdict(Action.ALLOW, message=message, by="moderator"))
    RecordWriter(valkey, "w").write_once(block_ms=10)

    row = VerdictRecord.objects.get()
    assert (row.action, row.highlights) == ("allow", named)


def test_a_record_stays_until_the_database_took_it(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(valkey, a_verdict())
    writer = RecordWriter(valkey, "w")
    with monkeypatch.context() as patched:
        patched.setattr(records_db, "store", _locked)
        with pytest.raises(OperationalError):
            writer.write_once(block_ms=10)
    monkeypatch.setattr(records_db, "ADOPT_AFTER_MS", 0)

    assert valkey.xlen(keys.OUTBOX) == 1
    assert writer.write_once(block_ms=10) == 1
    assert VerdictRecord.objects.count() == 1


def test_a_patient_writer_leaves_records_to_others_until_one_is_overdue(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = RecordWriter(valkey, "w", patient=True)
    assert not patient.is_wanted()
    leave(valkey, a_verdict())
    assert not patient.is_wanted()
    assert RecordWriter(valkey, "v").is_wanted()

    monkeypatch.setattr(records_db, "PATIENCE_MS", 0)
    assert patient.is_wanted()
    assert patient.write_once(block_ms=10) == 1
    assert not patient.is_wanted()


@pytest.mark.parametrize(
    "error", [OperationalError("database is locked"), RuntimeError("something unheard of")]
)
def test_the_writer_goes_on_after_a_failure(
    valkey: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    leave(valkey, a_verdict())
    monkeypatch.setattr(records_db, "ADOPT_AFTER_MS", 0)
    stop, calls = threading.Event(), []

    def store(records: object) -> None:
        calls.append(records)
        if len(calls) == 1:
            raise error
        stop.set()

    monkeypatch.setattr(records_db, "store", store)
    monkeypatch.setattr(records_db, "connection", _Connection())
    with _within(30, stop):
        RecordWriter(valkey, "w").run(stop)

    assert len(calls) == 2
    assert str(error) in caplog.text


class _Connection:
    def close(self) -> None:
        """Stands for the worker's own connection; the test's must stay open."""


def _locked(_: object) -> None:
    raise OperationalError("database is locked")


@contextmanager
def _within(seconds: float, stop: threading.Event) -> Iterator[None]:
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    yield
    timer.cancel()
