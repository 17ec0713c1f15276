"""The values on a message's way: admitted as a Message, decided as a Verdict."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inference.types import Scores
from policy.policy import Action, Decision, Reason

MODERATOR = "moderator"
"""Whom a verdict is `by` where a person decided."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a message; `kind` is `user`, `assistant` or `service`."""

    id: str
    name: str
    kind: str = "user"


@dataclass(frozen=True, slots=True)
class Message:
    """Content once admitted. Times are milliseconds since the Unix epoch."""

    id: str
    site: str
    stream: str
    author: Author
    session: str
    ref: str
    text: str
    accepted_ms: int
    deadline_ms: int
    """The absolute time at which the fail mode decides."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "id": self.id,
            "site": self.site,
            "stream": self.stream,
            "author": {
                "id": self.author.id,
                "name": self.author.name,
                "kind": self.author.kind,
            },
            "session": self.session,
            "ref": self.ref,
            "text": self.text,
            "accepted_ms": self.accepted_ms,
            "deadline_ms": self.deadline_ms,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> "Message":
        """The inverse of `as_json`."""
        return cls(**{**found, "author": Author(**found["author"])})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided about a message, by the policy or by a person."""

    message: Message
    decision: Decision
    scores: Scores
    decided_ms: int
    by: str = "policy"
    """`policy` or `moderator`."""
    timing_ms: Mapping[str, float] | None = None

    @property
    def action(self) -> Action:
        """The decision's action."""
        return self.decision.action


def new_id(now_ms: int) -> str:
    """A message id of 32 hex digits that sorts by time."""
    return f"{now_ms:012x}{secrets.token_hex(10)}"


def full_reasons(reasons: tuple[Reason, ...]) -> list[dict[str, Any]]:
    """What moderators and the command line see: rule, label, score, and a long text's passage."""
    return [
        {"rule": reason.rule}
        | ({"label": reason.label} if reason.label else {})
        | ({"score": reason.score} if reason.score is not None else {})
        | ({"passage": [reason.passage.start, reason.passage.end]} if reason.passage else {})
        for reason in reasons
    ]
