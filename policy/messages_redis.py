"""Stored messages: the truth about what still has to be decided."""

from collections.abc import Sequence
from typing import cast

import orjson
import redis

from policy import keys
from policy.messages import Message

REDISPATCH_MS = 3_000
"""A message that nobody vouched for in this time is orphaned, and somebody else takes it."""

_CLAIM = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], id) end
return ids
"""

_VOUCH = """
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', due, ARGV[i]) end
return #ARGV - 1
"""

_LATE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
"""


class MessageStore:
    """Undecided messages in Redis; every method raises redis.RedisError while it is away."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._claim = client.register_script(_CLAIM)
        self._vouch = client.register_script(_VOUCH)
        self._late = client.register_script(_LATE)

    def undecided(self, ids: Sequence[str]) -> list[Message]:
        """Those of the messages that are stored and not decided yet, in order."""
        pipeline = self._client.pipeline(transaction=False)
        for id in ids:
            pipeline.hmget(keys.message(id), ["body", "verdict"])
        rows = cast(list[tuple[str | None, str | None]], pipeline.execute())
        return [Message.from_json(orjson.loads(body)) for body, done in rows if body and not done]

    def claim_orphans(self, limit: int = 256) -> list[Message]:
        """Messages that nobody vouches for any more; the caller now does."""
        ids = self._claim(keys=[keys.PENDING], args=[limit, REDISPATCH_MS])
        return self._found(cast(list[str], ids))

    def vouch_for(self, ids: Sequence[str]) -> None:
        """Says that these messages are in good hands for a while."""
        for start in range(0, len(ids), 1_000):
            args: list[int | str] = [REDISPATCH_MS, *ids[start : start + 1_000]]
            self._vouch(keys=[keys.PENDING], args=args)

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
