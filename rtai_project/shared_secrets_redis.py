"""The secrets that all servers of one Redis have in common, so that any of them may carry any
client: what one signs the others take.

The first server to start leaves its own in Redis, and whoever comes later takes those.
"""

from collections.abc import Mapping
from typing import cast

import redis

KEY = "rtai:secrets"
SHARED = ("tokens", "addresses")


def agree(client: "redis.Redis", mine: Mapping[str, str]) -> dict[str, str]:
    """My secrets, with those in the place of mine that others of this Redis came first with.

    Raises redis.RedisError.
    """
    for name in SHARED:
        client.hsetnx(KEY, name, mine[name])
    found = cast(list[str], client.hmget(KEY, list(SHARED)))
    return {**mine, **dict(zip(SHARED, found, strict=True))}
