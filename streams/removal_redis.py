"""Removal in Redis: a tombstone takes the message's place in history, and the news is published,
in one script."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import redis

from inference import connection_redis
from inference.errors import Forbidden, NotFound, Overloaded
from streams import keys
from streams.clients import Client
from streams.verdict_frames import dumps

# KEYS: position, history, index. ARGV: message id, user who must be its author or '' for anyone
# (assistants and programs are no users, whatever a user's id is),
# head and tail of the `removed` frame, between which epoch and offset go, stream, channel.
REMOVE = """
local offset = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not offset then return {'not_found'} end
local member = redis.call('ZRANGEBYSCORE', KEYS[2], offset, offset)[1]
if not member then return {'not_found'} end
local published, frame = string.match(member, '^(%d+)|([^\\n]*)')
local found = cjson.decode(frame)
if found.type ~= 'message' then return {'not_found'} end
local author = found.author
local theirs = author.kind == 'user' and author.id == ARGV[2]
if ARGV[2] ~= '' and not theirs then return {'forbidden'} end
local time = redis.call('TIME')
local now = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local function placed(at)
  return ARGV[3] .. '"epoch":"' .. epoch .. '","offset":' .. string.format('%d', at) .. ARGV[4]
end
-- In this order: without any member, the history would lose its time to live.
redis.call('ZADD', KEYS[2], offset, published .. '|' .. placed(offset))
redis.call('ZREM', KEYS[2], member)
redis.call('ZREM', KEYS[3], ARGV[1])
local new = redis.call('HINCRBY', KEYS[1], 'offset', 1)
local removed = placed(new)
redis.call('ZADD', KEYS[2], new, now .. '|' .. removed)
redis.call('PUBLISH', ARGV[6], cmsgpack.pack({
  type='stream.frame', stream=ARGV[5], epoch=epoch, offset=new, frame=removed, moderator_frame=''}))
return {'removed', removed}
"""


class RedisRemoval:
    """Implements `streams.removal.Removal`."""

    def __init__(self, url: str, prefix: str = "rtai") -> None:
        self._url = url
        self._prefix = prefix

    async def remove(self, client: Client, stream: str, id: str) -> str:
        """See `streams.removal.Removal`."""
        author = "" if client.is_moderator else client.user
        by = "moderator" if client.is_moderator else "author"
        outcome, *frame = await self._run(client.site, stream, id, author, by)
        if outcome == "forbidden":
            raise Forbidden("Only its author or a moderator may remove a message.")
        if outcome == "not_found":
            raise NotFound("There is no such message in the stream's history.")
        return frame[0]

    async def _run(self, site: str, stream: str, id: str, author: str, by: str) -> list[str]:
        script: Callable[..., Awaitable[Any]] = connection_redis.async_client(
            self._url
        ).register_script(REMOVE)
        names, arguments = removal_of(self._prefix, site, stream, id, author, by)
        try:
            return cast(list[str], await script(names, arguments))
        except (redis.RedisError, OSError) as error:
            raise Overloaded("Messages cannot be removed now.", retry_after_ms=1_000) from error


def removal_of(  # noqa: PLR0913 (the script takes as many)
    prefix: str, site: str, stream: str, id: str, author: str, by: str
) -> tuple[list[str], list[str]]:
    """The script's keys and arguments; `author` is empty where anyone may remove."""
    names = [
        keys.position(site, stream),
        keys.history(site, stream),
        keys.history_index(site, stream),
    ]
    channel = f"{prefix}__group__{keys.stream_group(site, stream)}"
    head, tail = removed_parts(stream, id, by)
    return names, [id, author, head, tail, f"{site}/{stream}", channel]


def removed_parts(stream: str, id: str, by: str) -> tuple[str, str]:
    """The `removed` frame as JSON in two parts: epoch and offset go between them."""
    head = dumps({"type": "removed", "stream": stream})[:-1] + ","
    return head, f',"id":{json.dumps(id)},"by":{json.dumps(by)}}}'
