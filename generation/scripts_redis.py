"""The Lua with which generations are admitted, written, read and ended, each step atomic.

The scripts announce on the channel layer's own groups in the layer's own encoding; see
`inference.connection_redis` for the layer's prefix. Redis' clock counts, so that machines need not
agree on the time.
"""

from generation import keys
from policy.keys import LIMITS
from policy.limits_redis import METER, TAKE

LEASE_MS = 8_000
"""A generation whose worker says nothing for so long is interrupted."""
KEEP_MS = 600_000
"""How long a generation that ended can be read."""
DISPATCH_MS = 3_000
"""One that no worker took is dispatched again after so long."""
UNTAKEN_MS = 11_000
"""One that waited so long ends, where no worker took or wrote any for as long."""
REF_TTL_S = 300
SWEEP_MOST = 256
"""So many of a kind in one sweep."""
REMEMBERED_TURNS = 100
REMEMBERED_BYTES = 65_536
REMEMBER_S = 24 * 3600
DIED = "Its worker died."
LATE = "No worker took it in time."
UNTAKEN = "No worker takes anything."

HEAD = f"""{TAKE}{METER}
local LIMITS, LEASES, WAITING = '{LIMITS}', '{keys.LEASES}', '{keys.WAITING}'
local ATTENDED, WORKED = '{keys.ATTENDED}', '{keys.WORKED}'
local now_ms = string.format('%d', now)

local function key(id) return '{keys.generation("")}' .. id end
local function text_key(id) return '{keys.text("")}' .. id end
local function fields(id, ...) return unpack(redis.call('HMGET', key(id), ...)) end

local function running_key(site, stream)
  return '{keys.running("", "").removesuffix("/")}' .. site .. '/' .. stream
end

local function announce(id, kind, event)
  local site, stream, channel = fields(id, 'site', 'stream', 'channel')
  event.type, event.id, event.site, event.stream = kind, id, site, stream
  redis.call('PUBLISH', channel, cmsgpack.pack(event))
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

-- A reply lost on its way makes the client library send the same script again.
if redis.call('EXISTS', key(a.id)) == 1 then return {{'fresh', a.id}} end
local before = a.ref_key ~= '' and redis.call('GET', a.ref_key)
if before then
  local status, reason = fields(before, 'status', 'finish')
  if status and reason ~= 'interrupted' then return {{'stored', before}} end
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
return {{'fresh', a.id}}
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
for _, id in ipairs(redis.call('ZRANGE', WAITING, 0, {SWEEP_MOST - 1})) do
  local since, due = fields(id, 'since_ms', 'due_ms')
  if not works and now - (tonumber(since or '') or now) >= {UNTAKEN_MS} then
    interrupt(id, 'model_unavailable', '{UNTAKEN}')
  elseif (tonumber(due or '') or 0) <= now then
    redis.call('HSET', key(id), 'due_ms', string.format('%d', now + {DISPATCH_MS}))
    again[#again + 1] = id
  end
end
return {{interrupted, cancelled, again}}
"""

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
local wanted, claim = ARGV[1], ARGV[2]
for _, id in ipairs(wanted ~= '' and {{wanted}} or redis.call('ZRANGE', WAITING, 0, 15)) do
  if claimed(id, claim) then return {{id, fields(id, 'body')}} end
  redis.call('ZREM', WAITING, id)
end
return false
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
  redis.call('RPUSH', a.conversation, a.turn,
    cjson.encode({{role = 'assistant', content = answer}}))
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
