"""Port: where verdicts leave, and how they are written down on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, Protocol

from policy.messages import Verdict, full_reasons
from policy.whys import targets


class Publisher(Protocol):
    """The first sink of every verdict: decides a message once and tells who must know."""

    def publish(self, verdicts: Sequence[Verdict]) -> list[bool]:
        """Whether this call decided each message; False where it was decided before.

        Raises redis.RedisError, after which the same verdicts may be published again.
        """
        ...

    def speak(self, verdict: Verdict, *, shown: bool) -> bool:
        """Publishes an assistant's message, which nobody admitted and no session awaits: stores
        it, decides it and tells its stream, once. Whether this call did.

        `shown` says that the stream saw some of it already: it is told to forget that, unless the
        verdict publishes. Raises redis.RedisError, after which the same may be called again.
        """
        ...

    def note(self, verdict: Verdict) -> None:
        """Leaves a verdict for the database on what was no message: nobody is told.

        Raises redis.RedisError, after which the same may be called again.
        """
        ...

    def overrule(self, verdict: Verdict) -> None:
        """Puts a person's decision in the place of an earlier one."""
        ...

    def probe_done(self, gateway: str, probe: str, *, ok: bool, detail: str) -> None:
        """Tells a gateway how its probe went."""
        ...


def as_json(verdict: Verdict) -> dict[str, Any]:
    """What is stored of a verdict; frames and records are made from it."""
    return {
        "action": verdict.action.value,
        "by": verdict.by,
        "policy": verdict.decision.policy,
        "reasons": full_reasons(verdict.decision.reasons),
        "causes": list(verdict.decision.causes),
        "scores": {
            plugin: {label: round(score, 4) for label, score in labels.items()}
            for plugin, labels in verdict.scores.by_plugin.items()
        },
        "models": dict(verdict.scores.models),
        "failures": dict(verdict.scores.failures),
        "low_confidence": verdict.scores.low_confidence,
        "timing_ms": dict(verdict.timing_ms or {}),
        "decided_ms": verdict.decided_ms,
    }


def record(verdict: Verdict, stored: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What the database gets to know of a verdict; `stored` is what `as_json` gave for it."""
    return {
        "message": verdict.message.as_json(),
        "verdict": stored or as_json(verdict),
        "targets": [astuple(target) for target in targets(verdict.decision)],
    }
