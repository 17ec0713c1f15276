"""Memory in Redis: what a stream's history holds, and private conversations."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import redis

from generation import keys
from generation.memory import Conversation
from inference.errors import Overloaded
from inference.generator import Role, Turn
from policy.messages import Author

LATEST = 64
"""So many messages of a stream are looked at; the budget of tokens is smaller as a rule."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message that a stream's subscribers have seen."""

    author: Author
    text: str


SaidIn = Callable[[str, str, int], Sequence[Said]]
"""The last messages of a site's stream, oldest first, at most so many."""


class RedisMemory:
    """Implements `generation.memory.Memory`; for threads."""

    def __init__(self, client: redis.Redis, said_in: SaidIn) -> None:
        self._client = client
        self._said_in = said_in

    def of_stream(self, site: str, stream: str, user: str, asked: str) -> Sequence[Turn]:
        """See `generation.memory.Memory`."""
        try:
            said = self._said_in(site, stream, LATEST)
        except (redis.RedisError, OSError) as error:
            raise Overloaded("The stream's memory is away for a moment.") from error
        return turns_of(_without(said, user, asked))

    def of(self, conversation: Conversation) -> Sequence[Turn]:
        """See `generation.memory.Memory`."""
        try:
            found = self._client.lrange(keys.conversation(**asdict(conversation)), 0, -1)
        except (redis.RedisError, OSError) as error:
            raise Overloaded("The conversation is away for a moment.") from error
        stored = [json.loads(each) for each in cast(list[str], found)]
        return [Turn(Role(each["role"]), each["content"]) for each in stored]


def turns_of(said: Sequence[Said]) -> list[Turn]:
    """A stream's messages as a conversation; where several people speak, their names go along."""
    people = {each.author.id for each in said if each.author.kind != "assistant"}
    return [_turn(each, named=len(people) > 1) for each in said]


def _without(said: Sequence[Said], user: str, asked: str) -> Sequence[Said]:
    """All but the question, behind which others may have spoken by now."""
    for place in reversed(range(len(said))):
        if said[place].author.id == user and said[place].text == asked:
            return [*said[:place], *said[place + 1 :]]
    return said


def _turn(said: Said, *, named: bool) -> Turn:
    if said.author.kind == "assistant":
        return Turn(Role.ASSISTANT, said.text)
    name = said.author.name if named else ""
    return Turn(Role.USER, f"{name}: {said.text}" if name else said.text)
