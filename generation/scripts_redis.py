"""The Lua with which gateways admit, read and cancel generations and end what nobody writes, each
step atomic; `generation.work_scripts_redis` has what workers do.

The scripts announce on the channel layer's own groups in the layer's own encoding; see
`inference.connection_redis` for the layer's prefix. Redis' clock counts, so that machines need not
agree on the time.
"""

from generation import keys
from policy.keys import LIMITS
from policy.limits_redis import METER, TAKE

KEEP_MS = 600_000
"""How long a generation that ended can be read."""
DISPATCH_MS = 3_000
"""One that no worker took is dispatched again after so long."""
UNTAKEN_MS = 11_000
"""One that waited so long ends, where no worker took or wrote any for as long."""
REF_TTL_S = 300
SWEEP_MOST = 256
"""So many of a kind in one sweep."""
DIED = "Its worker died."
LATE = "No worker took it in time."
UNTAKEN = "No worker takes anything."

HEAD = f"""{TAKE}{METER}
local LIMITS, LEASES, WAITING = '{LIMITS}', '{keys.LEASES}', '{keys.WAITING}'
local ATTENDED, WORKED = '{keys.ATTENDED}', '{keys.WORKED}'
local TAKERS, IDLE, BELL = '{keys.TAKERS}', '{keys.IDLE}', '{keys.BELL}'
local now_ms = string.format('%d', now)

local function key(id) return '{keys.generation("")}' .. id end
local function text_key(id) return '{keys.text("")}' .. id end
local function fields(id, ...) return unpack(redis.call('HMGET', key(id), ...)) end

local function running_key(site, stream)
  return '{keys.running("", "").removesuffix("/")}' .. site .. '/' .. stream
end

local function announce(id, kind, event)
  local site, stream, channel, home = fields(id, 'site', 'stream', 'channel', 'home')
  event.type, event.id, event.site, event.stream = kind, id, site, stream
  local packed = cmsgpack.pack(event)
  redis.call('PUBLISH', channel, packed)
  if home and home ~= '' then redis.call('PUBLISH', home, packed) end
end

local function finish(id, reason, prompt, completion, code, detail, retry_after_ms)
  if reason == 'blocked' then
    redis.call('DEL', text_key(id))
    redis.call('HSET', key(id), 'length', '0')
  end
  redis.call('HSET', key(id), 'status', 'done', 'finish', reason, 'code', code, 'detail', detail,
    'prompt_tokens', prompt, 'completion_tokens', completion,
    'retry_after_ms', retry_after_ms or '')
  redis.call('PEXPIRE', key(id), {KEEP_MS})
  redis.call('PEXPIRE', text_key(id), {KEEP_MS})
  redis.call('ZREM', LEASES, id)
  redis.call('ZREM', WAITING, id)
  redis.call('ZREM', ATTENDED, id)
  local site, stream, active, meters, length =
    fields(id, 'site', 'stream', 'active', 'meters', 'length')
  redis.call('SREM', running_key(site, stream), id)
  for _, set in ipairs(cjson.decode(active)) do redis.call('SREM', set, id) end
  local names, metered = {{}}, {{}}
  for i, each in ipairs(cjson.decode(meters)) do names[i], metered[i] = each[1], each[2] end
  spend(LIMITS, names, metered, prompt + completion)
  announce(id, 'generation.done', {{finish_reason = reason, length = tonumber(length),
    prompt_tokens = prompt, completion_tokens = completion, code = code, detail = detail,
    retry_after_ms = retry_after_ms}})
end
"""
"""What all scripts begin with; `fields` gives false for what is not there."""

ADMIT = f"""{HEAD}
local a = cmsgpack.unpack(ARGV[1])

local function members(set) return redis.call('SCARD', set) end

local function waiting(set)
  if set == WAITING then return redis.call('ZCARD', WAITING) end
  local found = 0
  for _, id in ipairs(redis.call('SMEMBERS', set)) do
    if redis.call('ZSCORE', WAITING, id) then found = found + 1 end
  end
  return found
end

-- The name of the first cap that is reached, and when to come back.
local function reached(names, sets, count)
  for i, encoded in ipairs(redis.call('HMGET', LIMITS, unpack(names))) do
    local most = tonumber(encoded or '')
    if most and count(sets[i]) >= most then return names[i], 1000 end
  end
end

-- Whether some worker looks at what waits by itself; one that has nothing to do is told now.
local function heard()
  redis.call('ZREMRANGEBYSCORE', IDLE, '-inf', now_ms)
  if redis.call('ZCARD', IDLE) > redis.call('LLEN', BELL) then redis.call('RPUSH', BELL, '1') end
  return redis.call('ZCOUNT', TAKERS, now_ms, '+inf') > 0 and 1 or 0
end

-- A reply lost on its way makes the client library send the same script again.
if redis.call('EXISTS', key(a.id)) == 1 then return {{'fresh', a.id, heard()}} end
local before = a.ref_key ~= '' and redis.call('GET', a.ref_key)
if before then
  local status, reason = fields(before, 'status', 'finish')
  if status and reason ~= 'interrupted' then return {{'stored', before, 1}} end
end

local name, wait = reached(a.queue_names, a.queues, waiting)
if not name then name, wait = indebted(LIMITS, a.meter_names, a.meters) end
if not name then name, wait = reached(a.cap_names, a.caps, members) end
if not name then name, wait = take(LIMITS, a.names, a.buckets, a.units) end
if name then return {{'limited', name, wait}} end

local fresh = {{'status', 'waiting', 'length', '0', 'since_ms', now_ms,
  'due_ms', string.format('%d', now + {DISPATCH_MS})}}
for field, value in pairs(a.fields) do
  fresh[#fresh + 1], fresh[#fresh + 2] = field, value
end
redis.call('HSET', key(a.id), unpack(fresh))
redis.call('ZADD', WAITING, a.deadline_ms, a.id)
if a.attended then redis.call('ZADD', ATTENDED, 0, a.id) end
for _, set in ipairs(a.active) do redis.call('SADD', set, a.id) end
if a.ref_key ~= '' then redis.call('SET', a.ref_key, a.id, 'EX', {REF_TTL_S}) end
return {{'fresh', a.id, heard()}}
"""

SNAPSHOT = f"""{HEAD}
local function snapshot(id)
  local found = redis.call('HMGET', key(id), 'body', 'status', 'finish', 'prompt_tokens',
    'completion_tokens', 'code', 'detail', 'retry_after_ms')
  if not found[1] then return false end
  for i = 1, #found do found[i] = found[i] or '' end
  found[#found + 1] = redis.call('GET', text_key(id)) or ''
  return found
end
"""

READ = f"""{SNAPSHOT}
return snapshot(ARGV[1])
"""

RUNNING = f"""{SNAPSHOT}
local found = {{}}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if fields(id, 'status') == 'running' then
    found[#found + 1] = snapshot(id)
  else
    redis.call('SREM', KEYS[1], id)
  end
end
return found
"""

CANCEL = f"""{HEAD}
local id = ARGV[1]
local status, worker = fields(id, 'status', 'worker')
if not status or status == 'done' then return 0 end
if worker then redis.call('HSET', key(id), 'cancelled', '1')
else finish(id, 'cancelled', 0, 0, '', '') end
return worker and 1 or 2
"""

SWEEP = f"""{HEAD}
local interrupted, cancelled, again = 0, 0, {{}}
local function interrupt(id, code, detail)
  finish(id, 'interrupted', 0, 0, code, detail)
  interrupted = interrupted + 1
end
local function due(set)
  return redis.call('ZRANGEBYSCORE', set, '-inf', now_ms, 'LIMIT', 0, {SWEEP_MOST})
end
for _, id in ipairs(due(LEASES)) do
  local status, unwanted = fields(id, 'status', 'cancelled')
  if not status or status == 'done' then redis.call('ZREM', LEASES, id)
  elseif unwanted then
    finish(id, 'cancelled', 0, 0, '', '')
    cancelled = cancelled + 1
  else interrupt(id, 'model_unavailable', '{DIED}') end
end
for _, id in ipairs(due(WAITING)) do
  if not fields(id, 'status') then redis.call('ZREM', WAITING, id)
  else interrupt(id, 'deadline_exceeded', '{LATE}') end
end
local works = redis.call('EXISTS', WORKED) == 1
local looks = redis.call('ZCOUNT', TAKERS, now_ms, '+inf') > 0
for _, id in ipairs(redis.call('ZRANGE', WAITING, 0, {SWEEP_MOST - 1})) do
  local since, due = fields(id, 'since_ms', 'due_ms')
  if not works and now - (tonumber(since or '') or now) >= {UNTAKEN_MS} then
    interrupt(id, 'model_unavailable', '{UNTAKEN}')
  elseif not looks and (tonumber(due or '') or 0) <= now then
    redis.call('HSET', key(id), 'due_ms', string.format('%d', now + {DISPATCH_MS}))
    again[#again + 1] = id
  end
end
return {{interrupted, cancelled, again}}
"""
