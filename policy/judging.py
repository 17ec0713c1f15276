"""Messages in, verdicts out: score the batch, then decide each by its stream's policy."""

from collections.abc import Callable, Sequence
from typing import Protocol

from inference.types import Scores
from policy.messages import Message, Verdict
from policy.policy import Decision, Policy, decide, fail

NO_SCORES = Scores(by_plugin={}, models={})

Clock = Callable[[], int]
"""Milliseconds since the Unix epoch."""


class Scorer(Protocol):
    """All loaded plugins at once; see `inference.scoring`."""

    def score(self, texts: Sequence[str]) -> list[Scores]: ...


class PolicyBook(Protocol):
    """Which policy judges which stream; see `policy.policies_db`."""

    def for_stream(self, site: str, stream: str) -> Policy: ...


def judge(
    messages: Sequence[Message], scorer: Scorer, policies: PolicyBook, clock: Clock
) -> list[Verdict]:
    """One verdict per message, in order."""
    started = clock()
    scored = scorer.score([message.text for message in messages])
    ended = clock()
    return [
        Verdict(
            message=message,
            decision=_decide(message, scores, policies),
            scores=scores,
            decided_ms=ended,
            timing_ms=_timing(message, started, ended),
        )
        for message, scores in zip(messages, scored, strict=True)
    ]


def judge_late(messages: Sequence[Message], policies: PolicyBook, clock: Clock) -> list[Verdict]:
    """Verdicts by the fail mode, for messages whose deadline passed without scores."""
    return [
        Verdict(
            message=message,
            decision=fail(policies.for_stream(message.site, message.stream)),
            scores=NO_SCORES,
            decided_ms=clock(),
            timing_ms={"total": clock() - message.accepted_ms},
        )
        for message in messages
    ]


def _decide(message: Message, scores: Scores, policies: PolicyBook) -> Decision:
    policy = policies.for_stream(message.site, message.stream)
    return decide(scores, policy, message.author.kind)


def _timing(message: Message, started: int, ended: int) -> dict[str, float]:
    return {
        "queue": max(0, started - message.accepted_ms),
        "model": ended - started,
        "total": max(0, ended - message.accepted_ms),
    }
