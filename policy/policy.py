"""From scores to a decision: rules with thresholds, the strictest action wins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from inference.types import Scores
from inference.words import Span


class Action(StrEnum):
    """What happens to a message, from mildest to strictest."""

    ALLOW = "allow"
    FLAG = "flag"
    HOLD = "hold"
    BLOCK = "block"

    @property
    def severity(self) -> int:
        """Position in the order of strictness, 0 for `allow`."""
        return list(Action).index(self)

    @property
    def publishes(self) -> bool:
        """Whether others see the message."""
        return self in (Action.ALLOW, Action.FLAG)


class Judges(StrEnum):
    """Whose texts a rule judges."""

    EVERYBODY = "everybody"
    PEOPLE = "people"
    """Users, and a site's own programs, which speak for people."""
    ASSISTANTS = "assistants"

    def includes(self, kind: str) -> bool:
        """Whether an author of this kind (see `policy.messages.Author`) is among them."""
        if self is Judges.EVERYBODY:
            return True
        return (kind == ASSISTANT) is (self is Judges.ASSISTANTS)


USER = "user"
ASSISTANT = "assistant"
"""Kinds of authors; a site's own program is a `service`."""
FAIL_RULE = "undecided"
"""The rule named in the reasons when a policy's fail mode decided, because no scores came."""
FILTER_RULE = "model_filter"
"""The rule named in the reasons when the filter of a model's own server stopped its answer."""


@dataclass(frozen=True, slots=True)
class Rule:
    """If `plugin` scores `label` at `threshold` or above, take `action`."""

    name: str
    plugin: str
    label: str
    threshold: float
    action: Action
    judges: Judges = Judges.EVERYBODY


@dataclass(frozen=True, slots=True)
class Reason:
    """A rule that fired, with the score that made it fire."""

    rule: str
    label: str = ""
    score: float | None = None
    action: Action | None = None
    """What the rule asked for; the decision may be stricter because of another."""
    plugin: str = ""
    threshold: float | None = None
    """Which score the rule looked at, and what it reached; unset where no score decided."""
    passage: Span | None = None
    """The characters of a long text that got the score; unset where the whole text did."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A versioned set of rules, and what to do when scores are missing."""

    name: str
    version: int
    rules: tuple[Rule, ...]
    fail_mode: Action = Action.HOLD

    def rules_for(self, kind: str) -> tuple[Rule, ...]:
        """The rules that judge authors of this kind."""
        return tuple(rule for rule in self.rules if rule.judges.includes(kind))

    def plugins_for(self, kind: str) -> frozenset[str]:
        """Whose scores those rules look at."""
        return frozenset(rule.plugin for rule in self.rules_for(kind))


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy decided, with the rules that fired."""

    action: Action
    reasons: tuple[Reason, ...]
    policy: str

    @property
    def causes(self) -> tuple[str, ...]:
        """The names of the rules that asked for the action taken."""
        return tuple(
            dict.fromkeys(each.rule for each in self.reasons if each.action is self.action)
        )

    @property
    def by_fail_mode(self) -> bool:
        """Whether the fail mode asked for the action taken, because scores were missing."""
        return any(
            each.rule == FAIL_RULE and each.threshold is None and each.action is self.action
            for each in self.reasons
        )


def decide(scores: Scores, policy: Policy, kind: str = USER) -> Decision:
    """The strictest action among the rules that fire and judge authors of this kind.

    A rule whose plugin gave no scores, or has no such label, cannot be judged: the policy's fail
    mode then counts as one more action, so that a missing judgement never lets a message through
    in silence.
    """
    rules = policy.rules_for(kind)
    fired = [rule for rule in rules if _fires(scores, rule)]
    reasons = [_reason(scores, rule) for rule in fired]
    actions = [rule.action for rule in fired]
    if missing := _missing(scores, rules):
        actions.append(policy.fail_mode)
        reasons.extend(
            Reason(rule=FAIL_RULE, label=each, action=policy.fail_mode) for each in missing
        )
    action = max(actions, key=lambda each: each.severity, default=Action.ALLOW)
    return Decision(action=action, reasons=tuple(reasons), policy=_label(policy))


def fail(policy: Policy) -> Decision:
    """What a policy decides when no scores came before the deadline."""
    return Decision(
        policy.fail_mode, (Reason(rule=FAIL_RULE, action=policy.fail_mode),), _label(policy)
    )


def filtered(decision: Decision) -> Decision:
    """What becomes of a decision where the model's own filter stopped the answer."""
    reason = Reason(rule=FILTER_RULE, action=Action.BLOCK)
    return replace(decision, action=Action.BLOCK, reasons=(reason, *decision.reasons))


def _score(scores: Scores, rule: Rule) -> float | None:
    labels: Mapping[str, float] = scores.by_plugin.get(rule.plugin, {})
    return labels.get(rule.label)


def _fires(scores: Scores, rule: Rule) -> bool:
    score = _score(scores, rule)
    return score is not None and score >= rule.threshold


def _missing(scores: Scores, rules: Iterable[Rule]) -> list[str]:
    """Plugins without scores, and labels, with their plugin's name, of plugins that have others."""
    return sorted(
        {
            f"{rule.plugin}.{rule.label}" if rule.plugin in scores.by_plugin else rule.plugin
            for rule in rules
            if _score(scores, rule) is None
        }
    )


def _reason(scores: Scores, rule: Rule) -> Reason:
    score = round(_score(scores, rule) or 0.0, 4)
    passage = scores.passages.get(rule.plugin, {}).get(rule.label)
    return Reason(rule.name, rule.label, score, rule.action, rule.plugin, rule.threshold, passage)


def _label(policy: Policy) -> str:
    return f"{policy.name}@{policy.version}"
