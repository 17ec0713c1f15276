"""Rate limits in Redis, where every process reads them at each frame, and taking from their buckets
(`policy.limits_redis`) without anything else."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import redis
import redis.asyncio

from inference import config_redis, connection_redis
from inference.errors import Overloaded
from policy.limits_redis import TAKE, Bucket, limited
from streams import keys
from streams.limits import Rate, decode

AREA = "limits"
MARKER = "#"
"""A field that is always there: a Redis that lost the limits can be told from no limits at all."""

TAKE_ONLY = f"""{TAKE}
local names, buckets = {{}}, {{}}
for i = 2, #KEYS do names[i - 1], buckets[i - 1] = ARGV[i - 1], KEYS[i] end
local name, wait = take(KEYS[1], names, buckets)
return name and {{name, wait}} or false
"""

WRITE = """
if ARGV[1] ~= '' and (redis.call('HGET', KEYS[2], ARGV[2]) or '0') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return 1
"""


def write_limits(
    client: "redis.Redis", limits: Mapping[str, Rate], version: str | None = None
) -> bool:
    """Replaces all limits in one step; with `version`, only if the area still has that one."""
    fields = [MARKER, version or "0"]
    for name, rate in limits.items():
        fields += [name, rate.encode()]
    found = client.register_script(WRITE)(
        keys=[keys.LIMITS, config_redis.VERSIONS], args=[version or "", AREA, *fields]
    )
    return bool(found)


def read_limits(client: "redis.Redis") -> dict[str, Rate] | None:
    """The limits in force; None where Redis has lost them or never had any."""
    found = read_version(client)
    return None if found is None else found[1]


def read_version(client: "redis.Redis") -> tuple[str, dict[str, Rate]] | None:
    """The limits in force and the version that they were written with, or None as above."""
    found = cast(dict[str, str], client.hgetall(keys.LIMITS))
    if not found:
        return None
    version = found.pop(MARKER, "0")
    return version, {name: decode(encoded) for name, encoded in found.items()}


def take(url: str, buckets: Sequence[Bucket]) -> None:
    """One from each bucket or none; raises RateLimited, or Overloaded while Redis is away."""
    script = connection_redis.client(url).register_script(TAKE_ONLY)
    try:
        found = script(*_take_arguments(buckets))
    except (redis.RedisError, OSError) as error:
        raise Overloaded("The limits cannot be read now.", retry_after_ms=1_000) from error
    if found:
        raise limited(found[0], found[1])


async def take_async(url: str, buckets: Sequence[Bucket]) -> None:
    """The same for asynchronous callers."""
    script = connection_redis.async_client(url).register_script(TAKE_ONLY)
    try:
        found = await script(*_take_arguments(buckets))
    except (redis.RedisError, OSError) as error:
        raise Overloaded("The limits cannot be read now.", retry_after_ms=1_000) from error
    if found:
        raise limited(found[0], found[1])


def _take_arguments(buckets: Sequence[Bucket]) -> tuple[list[Any], list[Any]]:
    names = [keys.LIMITS, *(bucket.key for bucket in buckets)]
    return names, [bucket.name for bucket in buckets]
