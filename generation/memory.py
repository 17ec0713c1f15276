"""What an assistant remembers: the latest turns that fit a budget of tokens."""

from collections.abc import Sequence
from typing import Protocol

from inference.generator import Turn

BYTES_PER_TOKEN = 3
"""English has four or more; too many tokens are refused, too few only remembered less."""
TURN_TOKENS = 4
"""What a template adds to every turn."""


class Memory(Protocol):
    """Where earlier turns are found, oldest first; raise Overloaded while it is away."""

    def of_stream(self, site: str, stream: str, asked: str) -> Sequence[Turn]:
        """What was last said in a stream, without the message just `asked`."""
        ...

    def of_user(self, site: str, user: str) -> Sequence[Turn]:
        """A user's private conversation with the assistant."""
        ...


def tokens(turns: Sequence[Turn]) -> int:
    """About how many tokens turns have, for any model."""
    return sum(TURN_TOKENS + -(-len(turn.content.encode()) // BYTES_PER_TOKEN) for turn in turns)


def latest(turns: Sequence[Turn], budget: int) -> Sequence[Turn]:
    """The longest end of a conversation that has at most `budget` tokens."""
    kept, left = 0, budget
    for turn in reversed(turns):
        left -= tokens([turn])
        if left < 0:
            break
        kept += 1
    return turns[len(turns) - kept :]
