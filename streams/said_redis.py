"""What was last said in a stream, for an assistant that remembers it; for threads."""

import json
from collections.abc import Sequence
from typing import cast

import redis

from generation.memory_redis import Said
from policy.messages import Author
from streams import keys


def said_in(client: redis.Redis, site: str, stream: str, count: int) -> Sequence[Said]:
    """The messages among the last `count` frames, oldest first; raises redis.RedisError."""
    found = cast(list[str], client.zrange(keys.history(site, stream), -count, -1))
    frames = [json.loads(_frame(member)) for member in found]
    return [
        Said(Author(**frame["author"]), frame["text"])
        for frame in frames
        if frame["type"] == "message"
    ]


def _frame(member: str) -> str:
    """A member of the history is `published_ms|frame`; moderators' variant is the second line."""
    return member.partition("|")[2].partition("\n")[0]
