"""Rate limits in Redis, where every process reads them at each frame, and the buckets they fill.

The algorithm is GCRA, the generic cell rate algorithm (ITU-T I.371, annex A; for web services
described in https://brandur.org/rate-limiting). A bucket is one number, the theoretical arrival
time of the next conforming message: it moves on by one emission interval with every message and
may be ahead of the clock by `burst` intervals at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis
import redis.asyncio

from inference import config_redis, connection_redis
from inference.errors import Overloaded, RateLimited
from streams import keys
from streams.limits import Rate, decode

AREA = "limits"
MARKER = "#"
"""A field that is always there: a Redis that lost the limits can be told from no limits at all."""

TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000

-- One bucket: nothing if it has no limit, else its next arrival time and how long to wait for it.
-- A stored time further ahead than a full burst comes from a limit that was since raised: it is
-- cut and stored again, so that the wait grows shorter from one refusal to the next.
local function arrival(encoded, bucket)
  local count, period, burst = string.match(encoded or '', '^(%d+):(%d+):(%d+)$')
  if not count then return end
  local step = period / count
  local stored = tonumber(redis.call('GET', bucket) or 0)
  local full = now + burst * step
  if stored > full then
    stored = full
    redis.call('SET', bucket, string.format('%.3f', stored), 'PX', math.ceil(burst * step))
  end
  local tat = math.max(now, stored)
  return tat + step, tat + step - burst * step - now
end

-- One from each bucket or none from any: the name and wait in ms of the one furthest from it.
local function take(limits, names, buckets)
  if #names == 0 then return end
  local encoded = redis.call('HMGET', limits, unpack(names))
  local taken, name, longest = {}, nil, 0.001
  for i, bucket in ipairs(buckets) do
    local next, wait = arrival(encoded[i], bucket)
    if next and wait > longest then name, longest = names[i], wait end
    if next then taken[#taken + 1] = {bucket, next} end
  end
  if name then return name, math.ceil(longest) end
  for _, each in ipairs(taken) do
    redis.call('SET', each[1], string.format('%.3f', each[2]), 'PX', math.ceil(each[2] - now))
  end
end
"""
"""Lua that scripts put at their head: `now` in ms, and `take(limits, names, buckets)`."""

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


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is counted: a limit's name, and whom it counts. `rate_of` borrows another's rate."""

    name: str
    subject: str

    @property
    def key(self) -> str:
        return keys.bucket(self.name, self.subject)


def write_limits(
    client: "redis.Redis", limits: Mapping[str, Rate], version: str | None = None
) -> bool:
    """Replaces all limits in one step; with `version`, only if the area still has that one."""
    fields = [MARKER, "1"]
    for name, rate in limits.items():
        fields += [name, rate.encode()]
    found = client.register_script(WRITE)(
        keys=[keys.LIMITS, config_redis.VERSIONS], args=[version or "", AREA, *fields]
    )
    return bool(found)


def read_limits(client: "redis.Redis") -> dict[str, Rate] | None:
    """The limits in force; None where Redis has lost them or never had any."""
    found = cast(dict[str, str], client.hgetall(keys.LIMITS))
    if not found:
        return None
    return {name: decode(encoded) for name, encoded in found.items() if name != MARKER}


def limited(name: str, wait_ms: int) -> RateLimited:
    """The error of a bucket that is empty."""
    return RateLimited(f"The limit {name} is reached.", retry_after_ms=wait_ms)


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
