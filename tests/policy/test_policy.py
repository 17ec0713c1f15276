"""Scores in, decision out."""

from dataclasses import replace

import pytest

from inference.types import Scores
from inference.words import Span
from policy.policy import FAIL_RULE, Action, Judges, Policy, Rule, decide, fail
from tests.builders import some_scores

POLICY = Policy(
    name="default",
    version=3,
    rules=(
        Rule("maybe", "moderation", "threat", 0.5, Action.FLAG),
        Rule("threats", "moderation", "threat", 0.9, Action.BLOCK),
        Rule("rude", "moderation", "insult", 0.8, Action.HOLD),
    ),
)


@pytest.mark.parametrize(
    ("threat", "insult", "action", "rules"),
    [
        pytest.param(0.1, 0.1, Action.ALLOW, [], id="below all thresholds"),
        pytest.param(0.5, 0.1, Action.FLAG, ["maybe"], id="on a threshold"),
        pytest.param(0.95, 0.85, Action.BLOCK, ["maybe", "threats", "rude"], id="strictest wins"),
        pytest.param(0.6, 0.85, Action.HOLD, ["maybe", "rude"], id="hold over flag"),
    ],
)
def test_the_strictest_rule_that_fires_decides(
    threat: float, insult: float, action: Action, rules: list[str]
) -> None:
    decision = decide(some_scores(threat=threat, insult=insult), POLICY)

    assert decision.action == action
    assert [reason.rule for reason in decision.reasons] == rules
    assert decision.policy == "default@3"


def test_the_causes_are_the_rules_that_asked_for_the_action_taken() -> None:
    decision = decide(some_scores(threat=0.95, insult=0.85), POLICY)

    assert decision.causes == ("threats",)


def test_a_reason_names_label_and_score() -> None:
    decision = decide(some_scores(threat=0.97123456), POLICY)

    assert decision.reasons[1].label == "threat"
    assert decision.reasons[1].score == 0.9712


def test_a_reason_tells_the_passage_that_got_its_score() -> None:
    scores = some_scores(threat=0.6, insult=0.9)
    scores = replace(scores, passages={"moderation": {"insult": Span(120, 700)}})

    decision = decide(scores, POLICY)

    assert [(r.rule, r.passage) for r in decision.reasons] == [
        ("maybe", None),
        ("rude", Span(120, 700)),
    ]


def test_a_plugin_without_scores_counts_as_the_fail_mode() -> None:
    decision = decide(Scores({}, {}, {"moderation": "broken"}), POLICY)

    assert decision.action == Action.HOLD
    assert [(r.rule, r.label) for r in decision.reasons] == [(FAIL_RULE, "moderation")]


def test_a_label_that_its_plugin_does_not_have_counts_as_the_fail_mode() -> None:
    rules = (
        Rule("typo", "moderation", "thret", 0.5, Action.BLOCK),
        Rule("threats", "moderation", "threat", 0.5, Action.FLAG),
    )
    decision = decide(some_scores(threat=0.7), Policy("strict", 1, rules))

    assert decision.action == Action.HOLD
    assert [(r.rule, r.label) for r in decision.reasons] == [
        ("threats", "threat"),
        (FAIL_RULE, "moderation.thret"),
    ]


@pytest.mark.parametrize(
    ("judges", "kinds"),
    [
        (Judges.EVERYBODY, ["user", "service", "assistant"]),
        (Judges.PEOPLE, ["user", "service"]),
        (Judges.ASSISTANTS, ["assistant"]),
    ],
)
def test_a_rule_judges_whom_it_is_for(judges: Judges, kinds: list[str]) -> None:
    rule = Rule("threats", "moderation", "threat", 0.5, Action.BLOCK, judges)
    policy = Policy("p", 1, (rule,))

    for kind in ("user", "service", "assistant"):
        judged = kind in kinds
        found = decide(some_scores(threat=0.9), policy, kind)
        assert found.action is (Action.BLOCK if judged else Action.ALLOW)
        assert [reason.rule for reason in found.reasons] == ["threats"] * judged
        assert policy.plugins_for(kind) == ({"moderation"} if judged else set())


def test_scores_that_only_rules_for_others_need_are_not_missing() -> None:
    rule = Rule("threats", "moderation", "threat", 0.5, Action.BLOCK, Judges.ASSISTANTS)
    policy = Policy("p", 1, (rule,))

    assert decide(Scores({}, {}), policy, "user").action is Action.ALLOW
    assert decide(Scores({}, {}), policy, "assistant").action is Action.HOLD


def test_a_decision_says_whether_the_fail_mode_made_it() -> None:
    rules = (
        Rule("odd", "elsewhere", "odd", 0.5, Action.FLAG),
        Rule(FAIL_RULE, "moderation", "threat", 0.5, Action.BLOCK),
    )
    policy = Policy("p", 1, rules)

    assert decide(some_scores(), policy).by_fail_mode
    assert fail(policy).by_fail_mode
    assert not decide(some_scores(threat=0.9), policy).by_fail_mode


def test_a_late_message_is_decided_by_the_fail_mode() -> None:
    decision = fail(Policy("strict", 1, (), Action.BLOCK))

    assert decision.action == Action.BLOCK
    assert decision.reasons[0].rule == FAIL_RULE
