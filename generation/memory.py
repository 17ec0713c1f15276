"""What an assistant remembers: the latest turns that fit a budget of tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from inference.generator import Turn

PLAIN = bytes(range(ord("a"), ord("z") + 1))
"""What models read several of at once; other bytes may be a token each, at worst."""
PLAIN_PER_TOKEN = 3
"""In English, which has four or more; too many tokens are refused, too few only remembered less."""
FOREIGN_PER_TOKEN = 2
"""Beside letters that English lacks, where a model that knows only English cuts words up."""
TURN_TOKENS = 6
"""What a template adds to every turn, such as the marks and line ends of ChatML."""
LONGEST_TOKEN = 12
"""Of any model, in bytes; hardly a text is made of longer ones."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A private conversation with the assistant: a user's, or, of a program, one that it gave a
    `name`, apart for each of its API keys and each user whom it speaks for."""

    site: str
    user: str
    api_key: str = ""
    name: str = ""


class Memory(Protocol):
    """Where earlier turns are found, oldest first; raise Overloaded while it is away."""

    def of_stream(self, site: str, stream: str, user: str, asked: str) -> Sequence[Turn]:
        """What was last said in a stream, without the message with which `user` just `asked`."""
        ...

    def of(self, conversation: Conversation) -> Sequence[Turn]:
        """What was said in a private conversation."""
        ...


def tokens(turns: Sequence[Turn]) -> int:
    """About how many tokens turns have, for any model: for a small one's sake rather too many."""
    return sum(TURN_TOKENS + _size(_bytes(turn)) for turn in turns)


def fewest_tokens(turns: Sequence[Turn]) -> int:
    """How many tokens turns have at least, for any model."""
    return sum(len(_bytes(turn)) for turn in turns) // LONGEST_TOKEN


def latest(turns: Sequence[Turn], budget: int) -> Sequence[Turn]:
    """The longest end of a conversation that has at most `budget` tokens."""
    kept, left = 0, budget
    for turn in reversed(turns):
        left -= tokens([turn])
        if left < 0:
            break
        kept += 1
    return turns[len(turns) - kept :]


def _size(text: bytes) -> int:
    plain, each = (PLAIN + b" ", PLAIN_PER_TOKEN) if text.isascii() else (PLAIN, FOREIGN_PER_TOKEN)
    others = len(text.translate(None, plain))
    return others + -(-(len(text) - others) // each)


def _bytes(turn: Turn) -> bytes:
    return turn.content.encode("utf-8", "replace")
