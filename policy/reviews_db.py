"""A person's decision on a message: recorded, and put in the place of the machine's."""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from inference.errors import Unsupported
from inference.types import Scores
from policy.messages import MODERATOR, Author, Message, Verdict
from policy.models import ReviewRecord, VerdictRecord
from policy.policy import Action, Decision, Reason
from policy.verdicts import Publisher

REVIEW_RULE = "moderator"
"""The rule named in the reasons of a person's decision."""


def review(
    record: VerdictRecord,
    action: Action,
    reviewer: User,
    publisher: Publisher,
    now_ms: int,
) -> None:
    """Records the review and publishes it.

    An approved message appears in its stream with a new offset;
    a message that was published and is blocked now is removed from it.
    It counts as later than what it takes the place of, whatever the clocks say.
    Raises Unsupported for what was no message, and redis.RedisError; then nothing is recorded.
    """
    if not record.stream:
        raise Unsupported("It was said in private: there is nothing to publish or remove.")
    with transaction.atomic():
        ReviewRecord.objects.create(verdict=record, action=action, reviewer=reviewer)
        publisher.overrule(_verdict(record, action, now_ms))


def _verdict(record: VerdictRecord, action: Action, now_ms: int) -> Verdict:
    reasons = () if action.publishes else (Reason(rule=REVIEW_RULE, action=action),)
    return Verdict(
        message=_message(record),
        decision=Decision(action, reasons, record.policy),
        scores=Scores(record.scores, record.models_used, record.failures),
        decided_ms=max(now_ms, _milliseconds(record.decided_at) + 1),
        by=MODERATOR,
    )


def _message(record: VerdictRecord) -> Message:
    accepted_ms = _milliseconds(record.accepted_at)
    return Message(
        id=record.id,
        site=record.site,
        stream=record.stream,
        author=Author(record.author_id, record.author_name, record.author_kind),
        session="",
        ref=record.ref,
        text=record.text,
        accepted_ms=accepted_ms,
        deadline_ms=accepted_ms,
    )


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
