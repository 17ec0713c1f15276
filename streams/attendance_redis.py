"""Whose answers nobody waits for any more: their owners left, and wished to cancel them then."""

from collections.abc import Sequence
from typing import cast

import redis

from generation import keys as generation_keys
from inference.errors import Overloaded
from policy.keys import GATEWAYS
from streams import keys
from streams.asking_redis import Script

GRACE_MS = 10_000
"""So long may an owner be away: a reload or a short loss of the network ends nothing."""

# KEYS: attended generations, gateways.
_LEFT = Script(f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function lives(gateway)
  return (tonumber(redis.call('ZSCORE', KEYS[2], gateway) or '') or 0) > now
end

-- A killed gateway's sessions are kept for longer than it is.
local function is_here(site, user)
  local sessions = '{keys.user_sessions("", "").removesuffix(":")}' .. site .. ':' .. user
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', sessions, string.format('%d', now), '+inf')) do
    local gateway = redis.call('HGET', '{keys.session("")}' .. id, 'gateway')
    if gateway and lives(gateway) then return true end
  end
  return false
end

-- A program has no session: its gateway lives, or has told of its end.
local function is_attended(site, user, gateway)
  if gateway and gateway ~= '' then return lives(gateway) end
  return is_here(site, user)
end

local left, attended = {{}}, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #attended, 2 do
  local id, since = attended[i], tonumber(attended[i + 1])
  local site, user, gateway =
    unpack(redis.call('HMGET', '{generation_keys.generation("")}' .. id, 'site', 'user', 'gateway'))
  if not site then
    redis.call('ZREM', KEYS[1], id)
  elseif is_attended(site, user, gateway) then
    if since > 0 then redis.call('ZADD', KEYS[1], 0, id) end
  elseif since == 0 then
    redis.call('ZADD', KEYS[1], string.format('%d', now), id)
  elseif now - since >= {GRACE_MS} then
    left[#left + 1] = id
  end
end
return left
""")


class RedisAttendance:
    """Knows of all sessions, those of other processes too, and which gateways live.

    Nothing of it is kept in a process: what one gateway saw, another goes on from.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def left(self) -> Sequence[str]:
        """The generations to cancel, until they are; raises Overloaded.

        Each call looks who is here, so that the time away counts from the first that missed them.
        """
        try:
            return cast(list[str], await _LEFT(self._url, [generation_keys.ATTENDED, GATEWAYS], []))
        except (redis.RedisError, OSError) as error:
            raise Overloaded("Sessions are away for a moment.") from error
