"""How busy judging is: the work that waits, how fast workers do it, and so how long a new message
would wait.

Work is counted in tokens (`inference.batching.work`), so that one long text weighs as much as the
many short ones that it keeps waiting. All gateways and workers share the figures.
"""

from dataclasses import dataclass
from typing import Any, cast

import redis

from inference.batching import MIN_WORK
from inference.workers_redis import WORKERS
from policy import keys

WINDOW_MS = 5_000
"""Of how many busy milliseconds the speed is a mean; older ones count half as much, and so on."""

PREDICT = f"""
-- A number that a hash holds; 0 for anything that is none.
local function number(found)
  local value = tonumber(found or '')
  if not value or value ~= value or value < 0 or value > 1e15 then return 0 end
  return value
end

-- How many messages wait, and for how many ms a new one would; no second value where no worker
-- lives or none has judged anything yet. What has not moved for a while may take as long again.
local function predict(load, pending, deadlines, workers, now)
  local count = redis.call('ZCARD', pending)
  if count == 0 then
    redis.call('HDEL', load, 'pending')
    return 0, 0
  end
  local found = redis.call('HMGET', load, 'pending', 'work', 'busy_ms', 'done_ms')
  local work, busy = number(found[2]), number(found[3])
  local live = redis.call('ZCOUNT', workers, string.format('%d', now), '+inf')
  if live == 0 or work == 0 or busy == 0 then return count end
  local oldest = tostring(redis.call('ZRANGE', deadlines, 0, 0)[1])
  local moved = math.max(number(found[4]), tonumber(string.sub(oldest, 1, 12), 16) or now)
  local waiting = math.max(number(found[1]), count * {MIN_WORK})
  return count, waiting * busy / work / live + math.max(0, now - moved)
end
"""
"""Lua that scripts put at their head: `predict(load, pending, deadlines, workers, now)`."""

REPORT = f"""
-- A worker's word that it did so much work in so many busy milliseconds.
local function report(load, did, took_ms, now)
  local found = redis.call('HMGET', load, 'work', 'busy_ms')
  local work = (tonumber(found[1] or '') or 0) + did
  local busy = (tonumber(found[2] or '') or 0) + took_ms
  if not (busy < {WINDOW_MS}) then work, busy = work / 2, busy / 2 end
  if not (busy > 0 and busy < 1e12) then work, busy = did, took_ms end
  redis.call('HSET', load, 'work', work, 'busy_ms', busy, 'done_ms', now)
end
"""
"""Lua that scripts put at their head: `report(load, did, took_ms, now)`."""

_MEASURE = f"""{PREDICT}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local count, wait = predict(KEYS[1], KEYS[2], KEYS[3], KEYS[4], now)
return {{count, wait and math.ceil(wait) or -1}}
"""


@dataclass(frozen=True, slots=True)
class Load:
    """Messages that wait, and for how long a new one would; None where nobody can tell."""

    pending: int
    wait_ms: int | None


class JudgingLoad:
    """The figures of one Redis; for threads."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._measure = client.register_script(_MEASURE)

    def measure(self) -> Load:
        """The figures as they are now; raises redis.RedisError."""
        found: Any = self._measure([keys.LOAD, keys.PENDING, keys.DEADLINES, WORKERS])
        pending, wait = cast(tuple[int, int], found)
        return Load(pending, None if wait < 0 else wait)
