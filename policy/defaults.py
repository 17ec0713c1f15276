"""The policy that a new installation starts with, and that judges while none is stored."""

from policy.policy import Action, Policy, Rule

DEFAULT_POLICY = Policy(
    name="default",
    version=0,
    fail_mode=Action.HOLD,
    rules=(
        Rule("threats", "moderation", "threat", 0.85, Action.BLOCK),
        Rule("child-safety", "moderation", "sexual_minors", 0.5, Action.BLOCK),
        Rule("hate", "moderation", "identity_attack", 0.9, Action.BLOCK),
        Rule("severe-abuse", "moderation", "severe_toxicity", 0.9, Action.BLOCK),
        Rule("self-harm", "moderation", "self_harm", 0.8, Action.HOLD),
        Rule("harm", "moderation", "harm", 0.9, Action.HOLD),
        Rule("insults", "moderation", "insult", 0.9, Action.HOLD),
        Rule("sexual", "moderation", "sexual", 0.9, Action.HOLD),
        Rule("spam", "moderation", "spam", 0.95, Action.HOLD),
        Rule("possible-harm", "moderation", "harm", 0.6, Action.FLAG),
    ),
)
