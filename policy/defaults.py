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
        Rule("threats", "moderation", "threat", 0.93, Action.BLOCK),
        Rule("possible-threats", "moderation", "threat", 0.73, Action.HOLD),
        Rule("child-safety", "moderation", "sexual_minors", 0.76, Action.BLOCK),
        Rule("hate", "moderation", "identity_attack", 0.86, Action.BLOCK),
        Rule("violent-hate", "moderation", "hate_threatening", 0.63, Action.BLOCK),
        Rule("possible-hate", "moderation", "identity_attack", 0.77, Action.HOLD),
        Rule("severe-abuse", "moderation", "severe_toxicity", 0.51, Action.BLOCK),
        Rule("insults", "moderation", "insult", 0.84, Action.HOLD),
        Rule("toxic", "moderation", "toxicity", 0.95, Action.HOLD),
        Rule("sexual", "moderation", "sexual", 0.97, Action.HOLD),
        Rule("self-harm", "moderation", "self_harm", 0.91, Action.HOLD),
        Rule("self-harm-advice", "moderation", "self_harm_instructions", 0.79, Action.BLOCK),
        Rule("violence", "moderation", "violence", 0.81, Action.HOLD),
        # An assistant that counts, lists or repeats itself reads like these.
        Rule("illicit", "moderation", "illicit", 0.83, Action.HOLD, Judges.PEOPLE),
        Rule("illicit-answers", "moderation", "illicit", 0.85, Action.HOLD, Judges.ASSISTANTS),
        Rule("spam", "moderation", "spam", 0.5, Action.HOLD, Judges.PEOPLE),
        Rule("harm", "moderation", "harm", 0.89, Action.HOLD),
        Rule("possible-harm", "moderation", "harm", 0.67, Action.FLAG),
    ),
)
