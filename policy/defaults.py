"""The policy that a new installation starts with, and that judges while none is stored.

Thresholds belong to the shipped models. They were set on 9,664 harmless messages held back
from training: a label alone holds about one in 1,000 of them, and blocks about one in 3,000.
"""

from policy.policy import Action, Judges, Policy, Rule

DEFAULT_POLICY = Policy(
    name="default",
    version=0,
    fail_mode=Action.HOLD,
    rules=(
        Rule("threats", "moderation", "threat", 0.91, Action.BLOCK),
        Rule("possible-threats", "moderation", "threat", 0.75, Action.HOLD),
        Rule("child-safety", "moderation", "sexual_minors", 0.5, Action.BLOCK),
        Rule("hate", "moderation", "identity_attack", 0.87, Action.BLOCK),
        Rule("violent-hate", "moderation", "hate_threatening", 0.5, Action.BLOCK),
        Rule("possible-hate", "moderation", "identity_attack", 0.78, Action.HOLD),
        Rule("severe-abuse", "moderation", "severe_toxicity", 0.5, Action.BLOCK),
        Rule("insults", "moderation", "insult", 0.86, Action.HOLD),
        Rule("toxic", "moderation", "toxicity", 0.92, Action.HOLD),
        Rule("sexual", "moderation", "sexual", 0.93, Action.HOLD),
        # An assistant that says that it stays, waits or has planned something reads like despair.
        Rule("self-harm", "moderation", "self_harm", 0.86, Action.HOLD, Judges.PEOPLE),
        Rule("self-harm-answers", "moderation", "self_harm", 0.96, Action.HOLD, Judges.ASSISTANTS),
        Rule("self-harm-advice", "moderation", "self_harm_instructions", 0.85, Action.BLOCK),
        Rule("violence", "moderation", "violence", 0.57, Action.HOLD),
        # An assistant that counts, lists or repeats itself reads like these.
        Rule("illicit", "moderation", "illicit", 0.75, Action.HOLD, Judges.PEOPLE),
        Rule("illicit-answers", "moderation", "illicit", 0.85, Action.HOLD, Judges.ASSISTANTS),
        Rule("spam", "moderation", "spam", 0.5, Action.HOLD, Judges.PEOPLE),
        Rule("harm", "moderation", "harm", 0.88, Action.HOLD),
        Rule("possible-harm", "moderation", "harm", 0.62, Action.FLAG),
    ),
)
