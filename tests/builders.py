"""Values with defaults: name only what a test is about."""

from collections.abc import Mapping
from typing import Any

from inference.types import Scores
from plugins.moderation import Moderation
from policy.messages import Author, Message, Verdict, new_id
from policy.policy import Action, Decision, Reason

NOW_MS = 1_800_000_000_000


def a_message(**changes: Any) -> Message:
    """A message of the demo site's lobby."""
    values: dict[str, Any] = {
        "id": new_id(NOW_MS),
        "site": "demo",
        "stream": "lobby",
        "author": Author("user-1", "Ada"),
        "session": "session-1",
        "ref": "r1",
        "text": "Hello there.",
        "accepted_ms": NOW_MS,
        "deadline_ms": NOW_MS + 10_000,
    }
    return Message(**{**values, **changes})


def some_scores(**moderation: float) -> Scores:
    """Scores of the moderation plugin; what is not named is 0."""
    scores = dict.fromkeys(Moderation.labels, 0.0) | moderation
    return Scores({"moderation": scores}, {"moderation": "guard@1+sha256:0"})


def a_verdict(
    action: Action = Action.ALLOW,
    *,
    message: Message | None = None,
    scores: Scores | None = None,
    by: str = "policy",
    timing_ms: Mapping[str, float] | None = None,
) -> Verdict:
    """A verdict on a message, with a reason unless it allows."""
    fired = Reason("threats", "threat", 0.97, action, "moderation", 0.95)
    reasons = () if action is Action.ALLOW else (fired,)
    return Verdict(
        message=message or a_message(),
        decision=Decision(action, reasons, "default@1"),
        scores=scores or some_scores(),
        decided_ms=NOW_MS + 12,
        by=by,
        timing_ms=timing_ms or {"total": 12},
    )
