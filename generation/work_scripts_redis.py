"""The Lua with which workers take, write and end generations, each step atomic."""

from generation.scripts_redis import HEAD, UNTAKEN_MS

LEASE_MS = 8_000
"""A generation whose worker says nothing for so long is interrupted."""
TAKER_MS = 3_000
"""A taker of which nothing is heard for so long is gone."""
IDLE_MS = 1_000
"""A taker that found nothing waits for the bell at most so long before it looks again."""
REMEMBERED_TURNS = 100
REMEMBERED_BYTES = 65_536
REMEMBER_S = 24 * 3600

HOLD = f"""{HEAD}
local function lease(id)
  redis.call('ZADD', LEASES, string.format('%d', now + {LEASE_MS}), id)
  redis.call('SET', WORKED, '1', 'PX', {UNTAKEN_MS})
end

-- Whether this claim holds the generation. One that nobody holds is taken: it waits, or Redis lost
-- its last second and this claim with it. A script that was sent twice finds its own claim.
local function claimed(id, claim)
  local status, worker = fields(id, 'status', 'worker')
  if claim == '' or not status or status == 'done' then return false end
  if worker then return worker == claim end
  redis.call('HSET', key(id), 'worker', claim)
  redis.call('ZREM', WAITING, id)
  lease(id)
  return true
end

local function goes_on(id, claim)
  return claimed(id, claim) and not fields(id, 'cancelled')
end

local function begin(id)
  local status, site, stream, user, ref, model =
    fields(id, 'status', 'site', 'stream', 'user', 'ref', 'model')
  if status ~= 'waiting' then return end
  redis.call('HSET', key(id), 'status', 'running')
  if stream ~= '' then redis.call('SADD', running_key(site, stream), id) end
  announce(id, 'generation.start', {{owner = user, ref = ref, model = model}})
end
"""

CLAIM = f"""{HOLD}
local id, claim = unpack(ARGV)
if claimed(id, claim) then return fields(id, 'body') end
redis.call('ZREM', WAITING, id)
return false
"""

TAKE = f"""{HOLD}
local taker, claim, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('ZADD', TAKERS, string.format('%d', now + {TAKER_MS}), taker)
redis.call('ZREM', IDLE, taker)
local found = {{}}
while #found < most do
  local id = redis.call('ZRANGE', WAITING, 0, 0)[1]
  if not id then break end
  if claimed(id, claim) then
    found[#found + 1] = fields(id, 'body')
  else
    redis.call('ZREM', WAITING, id)
  end
end
if most > 0 and #found == 0 then
  redis.call('ZADD', IDLE, string.format('%d', now + {IDLE_MS}), taker)
end
return found
"""

START = f"""{HOLD}
if not goes_on(ARGV[1], ARGV[2]) then return 0 end
begin(ARGV[1])
return 1
"""

APPEND = f"""{HOLD}
local id, claim, start, count, text = unpack(ARGV)
if not goes_on(id, claim) then return -1 end
begin(id)
local length = tonumber(fields(id, 'length'))
if tonumber(start) ~= length or count == '0' then return length end
redis.call('APPEND', text_key(id), text)
redis.call('HINCRBY', key(id), 'length', count)
announce(id, 'generation.token', {{from = length, text = text}})
return length + count
"""

RENEW = f"""{HOLD}
local stop = {{}}
for i = 2, #ARGV, 2 do
  local id, claim = ARGV[i], ARGV[i + 1]
  local ours = claimed(id, claim)
  if ours and ARGV[1] == '1' then lease(id) end
  if not ours then
    stop[#stop + 1] = {{id, 0}}
  elseif fields(id, 'cancelled') then
    stop[#stop + 1] = {{id, 1}}
  end
end
return stop
"""

FINISH = f"""{HOLD}
local a = cmsgpack.unpack(ARGV[1])
if not claimed(a.id, a.claim) then return 0 end
if a.conversation ~= '' and tonumber(fields(a.id, 'length')) > 0 then
  local answer = redis.call('GET', text_key(a.id)) or ''
  if #a.said > 1 then redis.call('DEL', a.conversation) end
  for _, turn in ipairs(a.said) do redis.call('RPUSH', a.conversation, turn) end
  redis.call('RPUSH', a.conversation, cjson.encode({{role = 'assistant', content = answer}}))
  local turns, size, kept = redis.call('LRANGE', a.conversation, -{REMEMBERED_TURNS}, -1), 0, 0
  for i = #turns, 1, -1 do
    size = size + #turns[i]
    if size > {REMEMBERED_BYTES} then break end
    kept = kept + 1
  end
  redis.call('LTRIM', a.conversation, -math.max(1, kept), -1)
  redis.call('EXPIRE', a.conversation, {REMEMBER_S})
end
finish(a.id, a.reason, a.prompt_tokens, a.completion_tokens, a.code, a.detail,
  a.retry_after_ms)
return 1
"""
