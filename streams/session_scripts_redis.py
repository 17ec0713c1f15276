"""What happens in Redis in one step when a session opens, is renewed, enters a stream or ends."""

from policy.limits_redis import TAKE
from streams.gateways_redis import LEASE_MS as GATEWAY_LEASE_MS

SILENT_MS = 2_000
"""Gateways say each second that they live; one that has not for so long may be dead."""
LOOKED_AT = 512  # Sessions whose gateway is looked up where there is no room.
STREAM = "stream:"
"""Fields of a session's hash that name its streams start so."""

HOLD = f"""{TAKE}
local session, bans, limits, gateways, kicks = unpack(KEYS, 1, 5)
local opening, lease, id, user_ban, address_ban, prefix, zsets, fields = unpack(ARGV, 1, 8)
local sets, names, buckets, caps = {{}}, {{}}, {{}}, {{}}
for i = 1, zsets do sets[i] = KEYS[5 + i] end

local function ban_ends(subject)
  return tonumber(redis.call('ZSCORE', bans, subject) or 0)
end
local ends = math.max(ban_ends(user_ban), ban_ends(address_ban))
if ends > now then return {{'banned', string.format('%d', ends)}} end

-- Who came after a kick of the same user or address is not meant by it.
if opening ~= '1' and redis.call('EXISTS', kicks) == 1 then
  local came = tonumber(redis.call('HGET', session, 'connected_ms') or 0)
  local found = redis.call('ZMSCORE', kicks, 'session:' .. id, user_ban, address_ban)
  for _, at in ipairs(found) do
    if at and tonumber(at) >= came then return {{'kicked'}} end
  end
end

-- Takes out those not renewed since their gateway's lease can have ended, where it has.
local function bury(set)
  local overdue = math.floor(now) + lease - {GATEWAY_LEASE_MS}
  for _, each in ipairs(redis.call('ZRANGEBYSCORE', set, 0, overdue, 'LIMIT', 0, {LOOKED_AT})) do
    local gateway = redis.call('HGET', prefix .. each, 'gateway') or ''
    local ends = redis.call('ZSCORE', gateways, gateway)
    if not ends or tonumber(ends) <= now then redis.call('ZREM', set, each) end
  end
end

for i, set in ipairs(sets) do
  redis.call('ZREMRANGEBYSCORE', set, '-inf', math.floor(now))
end
if opening == '1' and redis.call('EXISTS', session) == 0 then
  local first = 8 + fields * 2
  for i = 6 + zsets, #KEYS do
    local at = first + (i - 5 - zsets) * 2 - 1
    names[#names + 1], buckets[#buckets + 1], caps[#caps + 1] = ARGV[at], KEYS[i], ARGV[at + 1]
  end
  local name, wait = take(limits, names, buckets)
  if name then return {{'limited', name, wait}} end
  for i, cap in ipairs(redis.call('HMGET', limits, unpack(caps))) do
    local most = tonumber(cap or '')
    if most and redis.call('ZCARD', sets[i]) >= most then
      bury(sets[i])
      local heard = math.floor(now) + {GATEWAY_LEASE_MS} - {SILENT_MS}
      if redis.call('ZCARD', sets[i]) >= most then
        if redis.call('ZCOUNT', gateways, '(0', heard) > 0 then return {{'unsure'}} end
        return {{'full', caps[i], most}}
      end
    end
  end
end

redis.call('HSET', session, unpack(ARGV, 9, 8 + fields * 2))
redis.call('HSETNX', session, 'connected_ms', string.format('%d', now))
redis.call('HSETNX', session, 'messages', 0)
redis.call('PEXPIRE', session, lease)
for _, set in ipairs(sets) do
  redis.call('ZADD', set, math.floor(now) + lease, id)
  redis.call('PEXPIRE', set, lease)
end
return {{'held'}}
"""

RELEASE = """
local session, prefix, id = KEYS[1], ARGV[1], ARGV[2]
for _, field in ipairs(redis.call('HKEYS', session)) do
  local stream = string.match(field, '^stream:(.*)$')
  if stream then redis.call('ZREM', prefix .. stream, id) end
end
for i = 2, #KEYS do redis.call('ZREM', KEYS[i], id) end
redis.call('DEL', session)
"""

ATTACH = """
local session, members, field, lease, id = KEYS[1], KEYS[2], unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', session, field, '1')
redis.call('PEXPIRE', session, lease)
redis.call('ZREMRANGEBYSCORE', members, '-inf', now)
redis.call('ZADD', members, now + lease, id)
redis.call('PEXPIRE', members, lease)
"""

DETACH = """
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[2])
"""
