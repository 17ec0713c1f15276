"""Stored messages: the truth about what still has to be decided."""

from collections.abc import Sequence
from typing import cast

import orjson
import redis

from policy import keys
from policy.messages import Message

_LATE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
"""


class MessageStore:
    """Undecided messages in Redis; every method raises redis.RedisError while it is away."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._late = client.register_script(_LATE)

    def undecided(self, ids: Sequence[str]) -> list[Message]:
        """Those of the messages that are stored and not decided yet, in order."""
        pipeline = self._client.pipeline(transaction=False)
        for id in ids:
            pipeline.hmget(keys.message(id), ["body", "verdict"])
        rows = cast(list[tuple[str | None, str | None]], pipeline.execute())
        return [Message.from_json(orjson.loads(body)) for body, done in rows if body and not done]

    def late(self, limit: int = 256) -> list[Message]:
        """Messages whose deadline passed before they were decided."""
        return self._found(cast(list[str], self._late(keys=[keys.DEADLINES], args=[limit])))

    def _found(self, ids: Sequence[str]) -> list[Message]:
        """The undecided messages among `ids`; the others need no watching any more."""
        messages = self.undecided(ids)
        if gone := set(ids) - {message.id for message in messages}:
            self._client.zrem(keys.PENDING, *gone)
            self._client.zrem(keys.DEADLINES, *gone)
        return messages
