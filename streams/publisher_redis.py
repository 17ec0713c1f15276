"""Publishes verdicts: decision, offset, history and fan-out in one atomic script.

The script publishes on the channel layer's own groups in the layer's own encoding, so that
workers need no event loop; see `inference.connection_redis` for the layer's prefix.
"""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgpack
import redis

from policy import keys as policy_keys
from policy import verdicts
from policy.messages import Verdict
from streams import keys
from streams.removal_redis import REMOVE, removal_of, removed_parts
from streams.verdict_frames import dumps, message_parts, verdict_frame

MESSAGE_TTL_MS = 600_000
"""How long a decided message and its verdict stay for a repeated `ref` and the mailbox."""

Retention = Callable[[str, str], tuple[int, int]]
"""Frames and seconds of history of a site's stream."""

_DECIDE = """
local message, position, history, index = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local mailbox, session, pending, deadlines, outbox = KEYS[5], KEYS[6], KEYS[7], KEYS[8], KEYS[9]
local load = KEYS[10]
local a = cmsgpack.unpack(ARGV[1])
if not a.overrule then
  if redis.call('EXISTS', message) == 0 then
    if not a.body then return {0, ''} end
    redis.call('HSET', message, 'body', a.body, 'session', '')
  end
  local before = redis.call('HGET', message, 'verdict')
  if before then return {0, before} end
end
redis.call('HSET', message, 'verdict', a.verdict)
redis.call('PEXPIRE', message, a.ttl_ms)
if redis.call('ZREM', pending, a.id) == 1 then
  local work = tonumber(redis.call('HGET', message, 'work') or '') or 0
  redis.pcall('HINCRBY', load, 'pending', -work)
end
redis.call('ZREM', deadlines, a.id)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- What is published stands in the history at least while this script reads it back.
local frames, seconds = math.max(1, a.frames), math.max(1, a.seconds)

-- Gives the stream's next offset to a frame whose head and tail go around its position.
local function enter(head, tail, moderator_head, moderator_tail)
  redis.call('HSETNX', position, 'epoch', a.epoch)
  local epoch = redis.call('HGET', position, 'epoch')
  local offset = redis.call('HINCRBY', position, 'offset', 1)
  if offset == 1 then redis.call('DEL', history, index) end
  local between = '"epoch":"' .. epoch .. '","offset":' .. string.format('%d', offset)
  local frame, moderator_frame = head .. between .. tail, ''
  if moderator_head then moderator_frame = moderator_head .. between .. moderator_tail end
  redis.call('ZADD', history, offset,
    string.format('%d', now) .. '|' .. frame .. '\\n' .. moderator_frame)
  redis.call('ZREMRANGEBYRANK', history, 0, -1 - frames)
  for _ = 1, 32 do
    local first = redis.call('ZRANGE', history, 0, 0)[1]
    if tonumber(string.match(first, '^%d+')) > now - seconds * 1000 then break end
    redis.call('ZREMRANGEBYRANK', history, 0, 0)
  end
  local kept = redis.call('ZRANGE', history, 0, 0, 'WITHSCORES')[2]
  redis.call('ZREMRANGEBYSCORE', index, '-inf', '(' .. kept)
  redis.call('PEXPIRE', history, seconds * 1000)
  redis.call('PUBLISH', a.stream_channel, cmsgpack.pack({
    type='stream.frame', stream=a.stream, epoch=epoch, offset=offset,
    frame=frame, moderator_frame=moderator_frame}))
  return offset
end

local offset = ''
if a.publishes and not redis.call('ZSCORE', index, a.id) then
  offset = enter(a.head, a.tail, a.moderator_head, a.moderator_tail)
  redis.call('ZADD', index, offset, a.id)
  redis.call('PEXPIRE', index, seconds * 1000)
elseif a.retracts then
  enter(a.removed_head, a.removed_tail)
end
if a.mail then
  redis.call('HSET', mailbox, a.id, a.mail)
  redis.call('PEXPIRE', mailbox, a.ttl_ms)
  redis.call('PUBLISH', a.site_channel, cmsgpack.pack({
    type='user.frame', user=a.user, id=a.id,
    frame=a.verdict_frame, moderator_frame=a.moderator_verdict_frame}))
end
if redis.call('EXISTS', session) == 1 then
  redis.call('HSET', session, 'last_verdict', a.action)
end
redis.call('XADD', outbox, '*', 'record', a.record, 'offset', offset)
return {1, a.verdict}
"""


class RedisPublisher:
    """The publisher port over Redis; one for each process."""

    def __init__(self, client: redis.Redis, retention: Retention, prefix: str = "rtai") -> None:
        self._client = client
        self._retention = retention
        self._prefix = prefix
        self._decide = client.register_script(_DECIDE)
        self._remove = client.register_script(REMOVE)

    def publish(self, found: Sequence[Verdict]) -> list[bool]:
        """One round trip for all; see `policy.verdicts.Publisher`."""
        pipeline = self._client.pipeline(transaction=False)
        for verdict in found:
            self._run(verdict, pipeline)
        return [bool(first) for first, _ in cast(list[tuple[int, str]], pipeline.execute())]

    def speak(self, verdict: Verdict, *, shown: bool) -> bool:
        """An assistant's message, stored with its verdict; see `policy.verdicts.Publisher`."""
        message = verdict.message
        removed = removed_parts(message.stream, message.id, "policy")
        head, tail = removed if shown and not verdict.action.publishes else (None, None)
        first, _ = self._run(
            verdict,
            self._client,
            body=dumps(message.as_json()),
            mail=None,
            retracts=head is not None,
            removed_head=head,
            removed_tail=tail,
        )
        return bool(first)

    def note(self, verdict: Verdict) -> None:
        """See `policy.verdicts.Publisher`."""
        record = {"record": dumps(verdicts.record(verdict)), "offset": ""}
        self._client.xadd(policy_keys.OUTBOX, record)  # type: ignore[arg-type]

    def overrule(self, verdict: Verdict) -> None:
        """A person's decision: publishes what was held before, removes what was published."""
        self._run(verdict, self._client, overrule=True)
        if not verdict.action.publishes:
            message = verdict.message
            names, arguments = removal_of(
                self._prefix, message.site, message.stream, message.id, "", "moderator"
            )
            self._remove(names, arguments)

    def probe_done(self, gateway: str, probe: str, *, ok: bool, detail: str) -> None:
        """Answers a gateway's probe."""
        event = {"type": "probe.done", "probe": probe, "ok": ok, "detail": detail}
        self._tell(gateway, event)

    def _run(self, verdict: Verdict, client: Any, **changes: Any) -> Any:
        message = verdict.message
        return self._decide(
            keys=[
                policy_keys.message(message.id),
                keys.position(message.site, message.stream),
                keys.history(message.site, message.stream),
                keys.history_index(message.site, message.stream),
                keys.mailbox(message.site, message.author.id),
                keys.session(message.session),
                policy_keys.PENDING,
                policy_keys.DEADLINES,
                policy_keys.OUTBOX,
                policy_keys.LOAD,
            ],
            args=[msgpack.packb({**self._arguments(verdict), **changes})],
            client=client,
        )

    def _arguments(self, verdict: Verdict) -> dict[str, Any]:
        message, stored = verdict.message, verdicts.as_json(verdict)
        frames, seconds = self._retention(message.site, message.stream)
        head, tail = message_parts(message, stored, moderator=False)
        moderator_head, moderator_tail = message_parts(message, stored, moderator=True)
        public = dumps(verdict_frame(message.ref, message.id, stored, moderator=False))
        full = dumps(verdict_frame(message.ref, message.id, stored, moderator=True))
        return {
            "id": message.id,
            "user": message.author.id,
            "stream": f"{message.site}/{message.stream}",
            "stream_channel": self._channel(keys.stream_group(message.site, message.stream)),
            "site_channel": self._channel(keys.site_group(message.site)),
            "publishes": verdict.action.publishes,
            "action": verdict.action.value,
            "verdict": dumps(stored),
            "verdict_frame": public,
            "moderator_verdict_frame": full,
            "mail": mailed(public, full),
            "head": head,
            "tail": tail,
            "moderator_head": moderator_head,
            "moderator_tail": moderator_tail,
            "record": dumps(verdicts.record(verdict, stored)),
            "epoch": secrets.token_hex(6),
            "frames": frames,
            "seconds": seconds,
            "ttl_ms": MESSAGE_TTL_MS,
        }

    def _tell(self, gateway: str, event: dict[str, Any]) -> None:
        channel = self._channel(keys.gateway_group(gateway))
        self._client.publish(channel, msgpack.packb(event))

    def _channel(self, group: str) -> str:
        return f"{self._prefix}__group__{group}"


def mailed(frame: str, moderator_frame: str) -> str:
    """A verdict as it lies in a mailbox."""
    return dumps({"frame": frame, "moderator_frame": moderator_frame})
