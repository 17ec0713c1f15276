"""Admits messages: `ref`, rate limits, storage and a place in line in one atomic script."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import redis

from inference import metrics_prometheus as metrics
from inference.batching import work
from inference.errors import Overloaded
from inference.workers_redis import WORKERS
from policy import keys as policy_keys
from policy.limits_redis import TAKE, Bucket, limited
from policy.line_redis import CALL
from policy.load_redis import PREDICT
from policy.messages import Message
from streams import keys
from streams.admission import Admitted
from streams.asking_redis import Script
from streams.clients import Client
from streams.limits import SCOPES

REF_TTL_S = 300
"""How long the same `ref` answers with the same id."""
FEW = 512
"""Messages that may wait while nobody knows how long: no worker lives, or none has judged yet."""
SHARE = 0.8
"""Of the time until its deadline a message may be predicted to wait; the rest is for surprises."""
WAIT_MS = (1_000, 30_000)
"""Bounds of what a refused client is told to wait."""
FULL = "Too many messages wait to be judged."
LATE = "The message would not be judged in time."
AWAY = "Messages cannot be stored now."

ADMIT = f"""{TAKE}{PREDICT}{CALL}
local limits, ref, pending, deadlines, message, session, load, workers = unpack(KEYS, 1, 8)
local waiting, shifts, idle, bell = unpack(KEYS, 9, 12)
local id, body, session_id, deadline, ref_ttl, stored_at = unpack(ARGV, 1, 6)
local work, patience, most, few = unpack(ARGV, 7, 10)

local function stored(found, key)
  return {{'stored', found, redis.call('HGET', key, 'verdict') or ''}}
end

-- A reply lost on its way makes the client library send the same script again.
if redis.call('EXISTS', message) == 1 then return stored(id, message) end
local before = ref ~= '' and redis.call('GET', ref)
if before then return stored(before, stored_at .. before) end
local count, wait = predict(load, pending, deadlines, workers, now)
if count >= tonumber(most) or (not wait and count >= tonumber(few)) then return {{'full'}} end
local excess = (wait or 0) - patience
if excess > 0 then return {{'late', math.ceil(math.min(excess, 1e9))}} end

local names, buckets, units = {{}}, {{}}, {{}}
for i = 13, #KEYS do
  local name = ARGV[i - 2]
  names[i - 12], buckets[i - 12] = name, KEYS[i]
  units[i - 12] = string.match(name, '%.work$') and tonumber(work) or 1
end
local name, wait = take(limits, names, buckets, units)
if name then return {{'limited', name, wait}} end

redis.call('HSET', message, 'body', body, 'session', session_id, 'work', work)
redis.pcall('HINCRBY', load, 'pending', work)
redis.call('ZADD', pending, deadline, id)
redis.call('RPUSH', waiting, id)
redis.call('ZADD', deadlines, deadline, id)
if ref ~= '' then redis.call('SET', ref, id, 'EX', ref_ttl) end
if redis.call('EXISTS', session) == 1 then redis.call('HINCRBY', session, 'messages', 1) end
return {{'fresh', id, '', call(shifts, idle, bell, workers, math.floor(now), id)}}
"""

_admit = Script(ADMIT)
_WATCHED = (policy_keys.PENDING, policy_keys.DEADLINES)
_LINE = (
    policy_keys.LOAD,
    WORKERS,
    policy_keys.WAITING,
    policy_keys.SHIFTS,
    policy_keys.IDLE,
    policy_keys.BELL,
)


class RedisAdmission:
    """The admission port over Redis; one for each process.

    `call_worker` is told the shift to which somebody has to call one, at once and without waiting.
    """

    def __init__(
        self,
        url: str,
        call_worker: Callable[[str], None] = lambda shift: None,
        max_pending: int = 10_000,
        few: int = FEW,
    ) -> None:
        self._url = url
        self._call_worker = call_worker
        self._max_pending = max_pending
        self._few = few

    async def admit(self, message: Message, client: Client) -> Admitted:
        """See `streams.admission.Admission`."""
        names, arguments = self._arguments(message, client)
        try:
            found = await _admit(self._url, names, arguments)
        except (redis.RedisError, OSError) as error:
            metrics.REFUSED.labels(reason="away").inc()
            raise Overloaded(AWAY, retry_after_ms=1_000) from error
        return self._admitted(cast(list[Any], found))

    def _admitted(self, found: list[Any]) -> Admitted:
        _check(found)
        outcome, id, verdict, *shift = found
        if shift and shift[0]:
            self._call_worker(shift[0])
        return Admitted(id, outcome == "fresh", json.loads(verdict) if verdict else None)

    def _arguments(self, message: Message, client: Client) -> tuple[list[Any], list[Any]]:
        buckets = message_buckets(message, client)
        ref = message.ref and keys.ref(message.site, message.author.id, message.ref)
        names = [
            keys.LIMITS,
            ref,
            *_WATCHED,
            policy_keys.message(message.id),
            keys.session(message.session),
            *_LINE,
            *(bucket.key for bucket in buckets),
        ]
        arguments = [
            message.id,
            json.dumps(message.as_json()),
            message.session,
            message.deadline_ms,
            REF_TTL_S,
            policy_keys.message(""),
            work(message.text),
            int(SHARE * (message.deadline_ms - message.accepted_ms)),
            self._max_pending,
            self._few,
            *(bucket.name for bucket in buckets),
        ]
        return names, arguments


def message_buckets(message: Message, client: Client) -> Sequence[Bucket]:
    """Every bucket that a message takes from."""
    site = message.site
    found = {
        "site": site,
        "stream": f"{site}/{message.stream}",
        "user": client.person and f"{site}:{client.person}",
        "session": client.session,
        "address": client.address and f"{site}:{client.address}",
        "api_key": client.api_key,
    }
    return [
        Bucket(f"{scope}.{resource}", found[scope])
        for resource in ("messages", "work")
        for scope in SCOPES[resource]
        if found[scope]
    ]


def _check(found: list[Any]) -> None:
    """Raises what the script's answer stands for, if it refuses."""
    outcome, *rest = found
    if outcome in ("full", "late"):
        metrics.REFUSED.labels(reason=outcome).inc()
    if outcome == "full":
        raise Overloaded(FULL, retry_after_ms=1_000)
    if outcome == "late":
        least, most = WAIT_MS
        raise Overloaded(LATE, retry_after_ms=max(least, min(most, rest[0])))
    if outcome == "limited":
        raise limited(rest[0], rest[1])
