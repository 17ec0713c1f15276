"""History in Redis: sorted sets of frames by offset, read together with the position."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
import redis.asyncio

from inference import connection_redis
from inference.errors import Overloaded
from streams import keys
from streams.directory import StreamInfo
from streams.frames import Position
from streams.history import Published, Read

# KEYS: position, history. ARGV: epoch for a stream that has none, `since` or `recent`, number.
# Frames and position are read in one step, so that no publication falls between them.
_READ = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[1]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local offset = redis.call('HGET', KEYS[1], 'offset') or '0'
local found = {}
if ARGV[2] == 'since' then
  if tonumber(ARGV[3]) < tonumber(offset) then
    found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[3], '+inf', 'WITHSCORES')
  end
elseif tonumber(ARGV[3]) > 0 then
  found = redis.call('ZRANGE', KEYS[2], -tonumber(ARGV[3]), -1, 'WITHSCORES')
end
local time = redis.call('TIME')
return {epoch, offset, time[1] .. string.format('%03d', math.floor(time[2] / 1000)), found}
"""

# KEYS: position, history. ARGV: the epoch it should have, the one it gets.
# A frame has its epoch and offset side by side, and a text cannot look like them: its quotes are
# escaped. Frames stay at their places, so that they can be taken a hundred at a time.
_RESTART = """
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return end
redis.call('HSET', KEYS[1], 'epoch', ARGV[2])
local place = '"epoch":"' .. ARGV[2] .. '","offset":'
for first = 0, redis.call('ZCARD', KEYS[2]) - 1, 100 do
  local found = redis.call('ZRANGE', KEYS[2], first, first + 99, 'WITHSCORES')
  for at = 1, #found, 2 do
    local member = string.gsub(found[at], '"epoch":"[^"]*","offset":', place)
    if member ~= found[at] then
      redis.call('ZADD', KEYS[2], found[at + 1], member)
      redis.call('ZREM', KEYS[2], found[at])
    end
  end
end
"""


class RedisHistory:
    """Implements `streams.history.History`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def since(self, stream: StreamInfo, offset: int) -> Read:
        """Every frame after `offset`."""
        return await self._read(stream, "since", offset)

    async def recent(self, stream: StreamInfo, count: int) -> Read:
        """The last `count` frames."""
        return await self._read(stream, "recent", count)

    async def positions(self, streams: Sequence[tuple[str, str]]) -> list[Position | None]:
        """Positions, None where a stream has none, in one round trip."""
        client = connection_redis.async_client(self._url)
        pipeline = client.pipeline(transaction=False)
        for site, stream in streams:
            pipeline.hmget(keys.position(site, stream), ["epoch", "offset"])
        found = await _or_overloaded(pipeline.execute)
        return [Position(epoch, int(offset or 0)) if epoch else None for epoch, offset in found]

    async def restart(self, stream: StreamInfo, epoch: str) -> None:
        """Gives the stream and its frames a new epoch, if it still has this one."""
        script = _script(connection_redis.async_client(self._url), _RESTART)
        arguments = [epoch, secrets.token_urlsafe(6)]
        names = [keys.position(stream.site, stream.name), keys.history(stream.site, stream.name)]
        await _or_overloaded(lambda: script(names, arguments))

    async def _read(self, stream: StreamInfo, mode: str, number: int) -> Read:
        names = keys.position(stream.site, stream.name), keys.history(stream.site, stream.name)
        script = _script(connection_redis.async_client(self._url), _READ)
        arguments = [secrets.token_urlsafe(6), mode, number]
        epoch, offset, now_ms, found = await _or_overloaded(lambda: script(names, arguments))
        oldest_ms = int(now_ms) - stream.history_s * 1000
        entries = zip(found[::2], found[1::2], strict=True)
        read = [_published(member, int(score), oldest_ms) for member, score in entries]
        return Read(Position(epoch, int(offset)), tuple(each for each in read if each))


def _published(member: str, offset: int, oldest_ms: int) -> Published | None:
    """A member is `published_ms|frame`, with moderators' variant on a line of its own."""
    published_ms, _, text = member.partition("|")
    if int(published_ms) < oldest_ms:
        return None
    frame, _, moderator_frame = text.partition("\n")
    return Published(offset, frame, moderator_frame)


def _script(client: "redis.asyncio.Redis", text: str) -> Callable[..., Awaitable[Any]]:
    script: Callable[..., Awaitable[Any]] = client.register_script(text)
    return script


async def _or_overloaded(call: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await call()
    except (redis.RedisError, OSError) as error:
        raise Overloaded("The stream's history is away for a moment.") from error
