"""What the demo page suggests to write."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A message to try, and what is likely to become of it."""

    kind: str
    text: str
    outcome: str


EXAMPLES = (
    Example(
        "Friendly",
        "Good morning everyone, lovely to see you here!",
        "Usually arrives at once",
    ),
    Example(
        "Question",
        "What can you help me with?",
        "Press Ask: the assistant answers word by word",
    ),
    Example(
        "Rude",
        "You are a complete idiot and nobody wants you here.",
        "Usually stopped, or held for a moderator",
    ),
    Example(
        "Threatening",
        "I know where you live and I will kill you tonight.",
        "Usually stopped, and you are told why",
    ),
)
