"""A batch of messages judged at once."""

from collections.abc import Sequence
from dataclasses import replace

from inference.types import Scores
from policy.judging import judge
from policy.messages import Author
from policy.policy import Action, Judges, Policy, Rule
from tests.builders import a_message, some_scores


class Threats:
    """A scorer that finds a threat in every text."""

    def score(self, texts: Sequence[str]) -> list[Scores]:
        return [some_scores(threat=0.9) for _ in texts]


class Book:
    """One policy, whose rule is for people."""

    def for_stream(self, site: str, stream: str) -> Policy:
        rule = Rule("threats", "moderation", "threat", 0.5, Action.BLOCK, Judges.PEOPLE)
        return Policy("p", 1, (rule,))


def test_each_message_is_judged_by_the_rules_for_its_author() -> None:
    kinds = ("user", "assistant", "service")
    messages = [replace(a_message(), author=Author("a", "A", kind)) for kind in kinds]

    verdicts = judge(messages, Threats(), Book(), lambda: 0)

    assert [each.action for each in verdicts] == [Action.BLOCK, Action.ALLOW, Action.BLOCK]
