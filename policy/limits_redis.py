"""How buckets fill and empty: Lua for every script that counts against a rate limit.

The algorithm is GCRA, the generic cell rate algorithm (ITU-T I.371, annex A; for web services
described in https://brandur.org/rate-limiting). A bucket is one number, the theoretical arrival
time of the next conforming message: it moves on by one emission interval with every message and
may be ahead of the clock by `burst` intervals at most.

What is counted only afterwards, such as the tokens of an answer, goes into a meter instead: a
level that sinks at the limit's rate. Above `burst` it is in debt, and nothing new is taken on.
"""

from dataclasses import dataclass

from inference.errors import RateLimited
from policy import keys

TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000

-- One bucket: nothing if it has no limit, else its next arrival time and how long to wait for it.
-- What costs more units than the burst passes when the bucket is full, and empties it.
-- A stored time further ahead than a full burst comes from a limit that was since raised: it is
-- cut and stored again, so that the wait grows shorter from one refusal to the next.
local function arrival(encoded, bucket, units)
  local count, period, burst = string.match(encoded or '', '^(%d+):(%d+):(%d+)$')
  if not count then return end
  local step = period / count
  local cost = math.min(units, burst) * step
  local stored = tonumber(redis.call('GET', bucket) or 0)
  local full = now + burst * step
  if stored > full then
    stored = full
    redis.call('SET', bucket, string.format('%.3f', stored), 'PX', math.ceil(burst * step))
  end
  local tat = math.max(now, stored)
  return tat + cost, tat + cost - burst * step - now
end

-- One from each bucket, or as many as `units` says, or none from any: then the name and wait in ms
-- of the one furthest from it.
local function take(limits, names, buckets, units)
  if #names == 0 then return end
  local encoded = redis.call('HMGET', limits, unpack(names))
  local taken, name, longest = {}, nil, 0.001
  for i, bucket in ipairs(buckets) do
    local next, wait = arrival(encoded[i], bucket, units and units[i] or 1)
    if next and wait > longest then name, longest = names[i], wait end
    if next then taken[#taken + 1] = {bucket, next} end
  end
  if name then return name, math.ceil(longest) end
  for _, each in ipairs(taken) do
    redis.call('SET', each[1], string.format('%.3f', each[2]), 'PX', math.ceil(each[2] - now))
  end
end
"""
"""Lua that scripts put at their head: `now` in ms, and `take(limits, names, buckets, units)`,
where `units` is optional."""

METER = """
-- A meter's level now, and how many ms one unit takes to sink; nothing if it has no limit.
local function level(encoded, meter)
  local count, period, burst = string.match(encoded or '', '^(%d+):(%d+):(%d+)$')
  if not count then return end
  local stored, at = string.match(redis.call('GET', meter) or '', '^([%d.]+) (%d+)$')
  local step = period / count
  local sunk = at and math.max(0, now - at) / step or 0
  return math.max(0, (tonumber(stored or 0)) - sunk), step, tonumber(burst)
end

-- The name and wait in ms of the meter that is furthest in debt, if any is.
local function indebted(limits, names, meters)
  if #names == 0 then return end
  local encoded = redis.call('HMGET', limits, unpack(names))
  local name, longest = nil, 0
  for i, meter in ipairs(meters) do
    local found, step, burst = level(encoded[i], meter)
    local wait = found and (found - burst) * step or 0
    if wait > longest then name, longest = names[i], wait end
  end
  if name then return name, math.ceil(longest) end
end

-- Adds to every meter that has a limit, whatever its level.
local function spend(limits, names, meters, amount)
  if #names == 0 or amount <= 0 then return end
  local encoded = redis.call('HMGET', limits, unpack(names))
  for i, meter in ipairs(meters) do
    local found, step = level(encoded[i], meter)
    if found then
      redis.call('SET', meter, string.format('%.3f %d', found + amount, now),
        'PX', math.ceil((found + amount) * step))
    end
  end
end
"""
"""Lua that comes after TAKE: `indebted(limits, names, meters)` and
`spend(limits, names, meters, amount)`."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is counted: a limit's name, and whom it counts."""

    name: str
    subject: str

    @property
    def key(self) -> str:
        return keys.bucket(self.name, self.subject)


def limited(name: str, wait_ms: int) -> RateLimited:
    """The error of a bucket that is empty, a meter in debt, or a cap that is reached."""
    return RateLimited(f"The limit {name} is reached.", retry_after_ms=wait_ms)
