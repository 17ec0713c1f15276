"""Whose answers nobody waits for any more: their askers left, and wished to cancel them then."""

from collections.abc import Sequence
from typing import cast

import redis

from generation import keys as generation_keys
from inference.errors import Overloaded
from policy.keys import GATEWAYS
from streams import keys
from streams.asking_redis import Script

GRACE_MS = 3_000
"""So long may an asker be away that did not say farewell."""
OUTAGE_MS = 10_000
"""So long, where no gateway was there to come back to."""
LOOKED_MS = 3_000
"""Gateways look each second; where none has for so long, there was none."""

# KEYS: attended generations, gateways, whether somebody looked.
_HEAD = f"""
local ATTENDED, GATEWAYS, LOOKED = unpack(KEYS)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function key(id) return '{generation_keys.generation("")}' .. id end
local function fields(id, ...) return unpack(redis.call('HMGET', key(id), ...)) end
local function miss(id, since) redis.call('ZADD', ATTENDED, string.format('%d', since), id) end

local function lives(gateway)
  return (tonumber(redis.call('ZSCORE', GATEWAYS, gateway) or '') or 0) > now
end

-- A killed gateway's sessions are kept for longer than it is.
local function is_here(session)
  if not session or session == '' then return false end
  local gateway = redis.call('HGET', '{keys.session("")}' .. session, 'gateway')
  return gateway and lives(gateway)
end
"""

_LEFT = Script(f"""{_HEAD}
-- A session of the user that came after the question and reads the stream.
local function reader(id)
  local site, stream, user, asked_ms = fields(id, 'site', 'stream', 'user', 'since_ms')
  if stream == '' then return end
  local sessions = '{keys.user_sessions("", "").removesuffix(":")}' .. site .. ':' .. user
  for _, each in ipairs(redis.call('ZRANGEBYSCORE', sessions, string.format('%d', now), '+inf')) do
    local came_ms, reads =
      unpack(redis.call('HMGET', '{keys.session("")}' .. each, 'connected_ms', 'stream:' .. stream))
    local came_later = (tonumber(came_ms or '') or 0) > (tonumber(asked_ms or '') or now)
    if reads and came_later and is_here(each) then return each end
  end
end

local function is_attended(id)
  local gateway, session, heir = fields(id, 'gateway', 'session', 'heir')
  -- A program has no session: its gateway lives, or has told of its end.
  if gateway and gateway ~= '' then return lives(gateway) end
  if is_here(session) then return true end
  local found = is_here(heir) and heir or reader(id)
  if found then redis.call('HSET', key(id), 'session', found) end
  return found
end

local since_outage = 0
if redis.call('EXISTS', LOOKED) == 0 then since_outage = now + {OUTAGE_MS - GRACE_MS} end
redis.call('SET', LOOKED, '1', 'PX', {LOOKED_MS})

local left, attended = {{}}, redis.call('ZRANGE', ATTENDED, 0, -1, 'WITHSCORES')
for i = 1, #attended, 2 do
  local id, since = attended[i], tonumber(attended[i + 1])
  if redis.call('EXISTS', key(id)) == 0 then redis.call('ZREM', ATTENDED, id)
  elseif is_attended(id) then
    if since > 0 then miss(id, 0) end
  elseif since == 0 then miss(id, now)
  elseif since < since_outage then miss(id, since_outage)
  elseif now - since >= {GRACE_MS} then left[#left + 1] = id end
end
return left
""")

# ARGV: session, id.
_TAKE_UP = Script(f"""{_HEAD}
local session, id = unpack(ARGV)
if redis.call('ZSCORE', ATTENDED, id) then redis.call('HSET', key(id), 'heir', session) end
""")

# ARGV: session, when it is expected back ('' for never), ids. A session that ends is here no more,
# although it may stand in the lists for a moment.
_DEPART = Script(f"""{_HEAD}
local session, back_ms = ARGV[1], tonumber(ARGV[2])
local unwanted = {{}}
for i = 3, #ARGV do
  local id = ARGV[i]
  local asker, heir = fields(id, 'session', 'heir')
  if heir == session then redis.call('HDEL', key(id), 'heir') end
  local counts = asker == session or (heir == session and not is_here(asker))
  if counts and redis.call('ZSCORE', ATTENDED, id) then
    redis.call('HSET', key(id), 'session', '')
    miss(id, now + (back_ms or 0))
    if not back_ms then unwanted[#unwanted + 1] = id end
  end
end
return unwanted
""")


class RedisAttendance:
    """Implements `streams.attendance.Attendance`.

    Nothing of it is kept in a process: what one gateway saw, another goes on from.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def left(self) -> Sequence[str]:
        """See `streams.attendance.Attendance`."""
        return await self._run(_LEFT)

    async def take_up(self, id: str, session: str) -> None:
        """See `streams.attendance.Attendance`."""
        await self._run(_TAKE_UP, session, id)

    async def depart(self, session: str, ids: Sequence[str], back_ms: int | None) -> Sequence[str]:
        """See `streams.attendance.Attendance`."""
        back = "" if back_ms is None else back_ms
        return await self._run(_DEPART, session, back, *ids)

    async def _run(self, script: Script, *arguments: str | int) -> Sequence[str]:
        names = [generation_keys.ATTENDED, GATEWAYS, generation_keys.LOOKED]
        try:
            return cast(list[str], await script(self._url, names, list(arguments)))
        except (redis.RedisError, OSError) as error:
            raise Overloaded("Sessions are away for a moment.") from error
