"""The line: messages that wait to be judged, and the shifts of the workers that take from it.

A worker forms its batch in the moment in which it can judge one, of whatever waits then.
A shift is the right of one worker to take from the line; it has a lease, and there are as many as
workers live, at most. Who works a shift and finds nothing waits for the bell for a while.
"""

import functools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import orjson
import redis

from inference.batching import MAX_ITEMS, MAX_TEXT_TOKENS, MAX_TOKENS, MIN_WORK
from inference.errors import Overloaded
from inference.workers_redis import WORKERS
from policy import keys
from policy.load_redis import REPORT
from policy.messages import Message
from policy.shifts import Done, Taken

REDISPATCH_MS = 3_000
"""What was taken and not decided in this time is orphaned, and waits once more."""
LEASE_MS = 3_000
"""A shift of which nothing is heard for so long is over, and another may begin."""
IDLE_MS = 1_000
"""Who found nothing waits for the bell at most so long before it looks again."""
SHORTEST_S = 0.01
"""No wait at all would be one without end."""
MAX_SKIPPED = 1_000
"""So many that need no judging are passed over in one script."""

_LINE = (keys.WAITING, keys.AGAIN, keys.PENDING, keys.DEADLINES, keys.SHIFTS, keys.IDLE)

P = ParamSpec("P")
T = TypeVar("T")

CALL = f"""
-- Sees to it that somebody takes what waits: rings for a worker that has nothing to do, or else
-- begins a shift of this name, to which the caller has to call a worker; '' if it has not.
local function call(shifts, idle, bell, workers, now, name)
  redis.call('ZREMRANGEBYSCORE', idle, '-inf', now)
  if redis.call('ZCARD', idle) > redis.call('LLEN', bell) then
    redis.call('RPUSH', bell, '1')
    return ''
  end
  redis.call('ZREMRANGEBYSCORE', shifts, '-inf', now)
  local live = redis.call('ZCOUNT', workers, now, '+inf')
  if redis.call('ZCARD', shifts) >= live then return '' end
  redis.call('ZADD', shifts, now + {LEASE_MS}, name)
  return name
end
"""
"""Lua that scripts put at their head: `call(shifts, idle, bell, workers, now, name)`."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_TAKE = f"""{REPORT}{_NOW}
local waiting, again, pending, deadlines, shifts, idle, load, workers = unpack(KEYS)
local shift, stays, backlog_first, stored_at, work, busy_ms = unpack(ARGV)
if tonumber(work) > 0 then report(load, work, busy_ms, now) end
redis.call('ZREMRANGEBYSCORE', shifts, '-inf', now)
local most = math.max(1, redis.call('ZCOUNT', workers, now, '+inf'))
if not redis.call('ZSCORE', shifts, shift) and redis.call('ZCARD', shifts) >= most then
  return {{0, 0}}
end
redis.call('ZADD', shifts, now + {LEASE_MS}, shift)
if backlog_first == '1' then waiting, again = again, waiting end

local bodies, longest, rows, late = {{}}, 0, 0, 0
for _ = 1, {MAX_ITEMS + MAX_SKIPPED} do
  local line = waiting
  local id = #bodies < {MAX_ITEMS} and redis.call('LINDEX', line, 0)
  if not id and #bodies < {MAX_ITEMS} then
    line = again
    id = redis.call('LINDEX', line, 0)
  end
  if not id then break end
  local found = redis.call('HMGET', stored_at .. id, 'body', 'verdict', 'work')
  local due = redis.call('ZSCORE', deadlines, id)
  if not found[1] or found[2] then
    redis.call('LPOP', line)
  elseif due and tonumber(due) <= now then
    redis.call('LPOP', line)
    late = late + 1
  else
    -- Padded tokens: a batch is as wide as its longest text, or one window of it.
    local tokens = tonumber(found[3] or '') or {MIN_WORK}
    local wide = math.max(longest, math.min(tokens, {MAX_TEXT_TOKENS}))
    local high = rows + math.max(1, math.ceil(tokens / {MAX_TEXT_TOKENS}))
    if #bodies > 0 and wide * high > {MAX_TOKENS} then break end
    longest, rows = wide, high
    redis.call('LPOP', line)
    redis.call('ZADD', pending, 'XX', now + {REDISPATCH_MS}, id)
    bodies[#bodies + 1] = found[1]
  end
end
if #bodies > 0 then
  redis.call('ZREM', idle, shift)
elseif stays == '1' then
  redis.call('ZADD', idle, now + {IDLE_MS}, shift)
else
  redis.call('ZREM', idle, shift)
  redis.call('ZREM', shifts, shift)
  return {{0, late}}
end
return {{1, late, unpack(bodies)}}
"""

_TEND = f"""{CALL}{_NOW}
local waiting, again, pending, deadlines, shifts, idle, bell, workers = unpack(KEYS)
local name, stored_at, limit = unpack(ARGV)
local orphans = 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', pending, '-inf', now, 'LIMIT', 0, limit)) do
  local found = redis.call('HMGET', stored_at .. id, 'body', 'verdict')
  local due = tonumber(redis.call('ZSCORE', deadlines, id) or '')
  if not found[1] or found[2] then
    redis.call('ZREM', pending, id)
    redis.call('ZREM', deadlines, id)
  elseif due and due <= now then
    redis.call('ZADD', pending, 'XX', now + {REDISPATCH_MS}, id)
  else
    redis.call('RPUSH', again, id)
    redis.call('ZADD', pending, 'XX', due or now + {REDISPATCH_MS}, id)
    orphans = orphans + 1
  end
end
-- What was decided at its deadline is taken off here while no worker comes to the line.
for _, line in ipairs({{waiting, again}}) do
  for _ = 1, {MAX_SKIPPED} do
    local id = redis.call('LINDEX', line, 0)
    local found = id and redis.call('HMGET', stored_at .. id, 'body', 'verdict')
    if not found or (found[1] and not found[2]) then break end
    redis.call('LPOP', line)
  end
end
local called = ''
if redis.call('LLEN', waiting) + redis.call('LLEN', again) > 0 then
  called = call(shifts, idle, bell, workers, now, name)
end
return {{orphans, called}}
"""


@dataclass(frozen=True, slots=True)
class Tended:
    """How many orphans were put in line again, and the shift to which a worker must be called."""

    orphans: int
    shift: str


def _reached(call: Callable[P, T]) -> Callable[P, T]:
    """Raises Overloaded where Redis cannot be reached."""

    @functools.wraps(call)
    def reached(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return call(*arguments, **named)
        except (redis.RedisError, OSError) as error:
            raise Overloaded("Messages cannot be read now.") from error

    return reached


class RedisLine:
    """Implements `policy.shifts.Line`; one for each process."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._take = client.register_script(_TAKE)
        self._tend = client.register_script(_TEND)

    @_reached
    def take(self, shift: str, done: Done, *, stays: bool, backlog_first: bool) -> Taken:
        """See `policy.shifts.Line`."""
        found: Any = self._take(
            [*_LINE, keys.LOAD, WORKERS],
            [
                shift,
                int(stays),
                int(backlog_first),
                keys.message(""),
                done.work,
                f"{max(0.001, done.busy_s * 1000):.3f}",
            ],
        )
        going_on, late, *bodies = found
        return Taken(_messages(bodies), late, is_over=not going_on)

    @_reached
    def wait(self, timeout_s: float) -> None:
        """See `policy.shifts.Line`."""
        self._client.blpop([keys.BELL], timeout=max(SHORTEST_S, timeout_s))

    @_reached
    def leave(self, shift: str) -> None:
        """See `policy.shifts.Line`."""
        self._client.zrem(keys.IDLE, shift)
        self._client.zrem(keys.SHIFTS, shift)

    def tend(self, limit: int = 256) -> Tended:
        """Puts orphans in line again and forgets what needs no judging; whether a worker must be
        called. Raises redis.RedisError."""
        found: Any = self._tend(
            [*_LINE, keys.BELL, WORKERS],
            [secrets.token_hex(16), keys.message(""), limit],
        )
        return Tended(*found)


def _messages(bodies: Sequence[str]) -> tuple[Message, ...]:
    return tuple(Message.from_json(orjson.loads(body)) for body in bodies)
