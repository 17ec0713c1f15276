"""Presence in Redis: a stream's sessions, and how many each user has there.

A gateway vouches for its sessions; when its own lease ends, another gateway takes them out.
Whoever comes or goes is also an entry of the Redis Stream `streams.keys.EVENTS`, written in the
same step, however many users there are.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import redis

from inference import connection_redis
from inference.errors import Overloaded
from policy import keys as policy_keys
from streams import keys, replies
from streams.asking_redis import Part, Script
from streams.clients import Client
from streams.presence import MAX_NAMED, People

AWAY = "Presence is away for a moment."

MAX_EVENTS = 100_000
"""About how many entries `streams.keys.EVENTS` keeps."""

# KEYS: sessions (hash: session to [gateway, user, name]), users (sorted set by sessions),
# names (hash), events, the gateway's streams (set). ARGV: session, user, name, site, stream.
_TELL = f"""
local session, user, name, site, stream = unpack(ARGV, 1, 5)
local function tell(what)
  local time = redis.call('TIME')
  redis.call('XADD', KEYS[4], 'MAXLEN', '~', {MAX_EVENTS}, '*', 'event', what, 'site', site,
    'stream', stream, 'user', user, 'name', name,
    'at_ms', string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000)))
end
"""
_JOIN = Script(f"""{_TELL}
if redis.call('HSET', KEYS[1], session, ARGV[6]) == 0 then return {{0, 0}} end
redis.call('SADD', KEYS[5], site .. '/' .. stream)
redis.call('HSET', KEYS[3], user, name)
local mine = tonumber(redis.call('ZINCRBY', KEYS[2], 1, user))
if mine == 1 then tell('joined') end
return {{mine, redis.call('ZCARD', KEYS[2])}}
""")
_LEAVE = Script(f"""{_TELL}
if redis.call('HDEL', KEYS[1], session) == 0 then return {{-1, 0}} end
local rest = tonumber(redis.call('ZINCRBY', KEYS[2], -1, user))
if rest <= 0 then
  redis.call('ZREM', KEYS[2], user)
  redis.call('HDEL', KEYS[3], user)
  tell('left')
end
return {{rest, redis.call('ZCARD', KEYS[2])}}
""")
_DEAD = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)
""")


def sessions_key(site: str, stream: str) -> str:
    """Hash of the sessions in a stream."""
    return f"rtai:presence:{site}/{stream}"


def users_key(site: str, stream: str) -> str:
    """Sorted set of the users in a stream, scored by their sessions."""
    return f"rtai:presence-users:{site}/{stream}"


def names_key(site: str, stream: str) -> str:
    """Hash of those users' names."""
    return f"rtai:presence-names:{site}/{stream}"


def gateway_key(gateway: str) -> str:
    """Set of `site/stream` in which a gateway has had sessions."""
    return f"rtai:presence-gateway:{gateway}"


class RedisPresences:
    """Implements `streams.presence.Presences`; `send` publishes to a channel layer's group."""

    def __init__(
        self, url: str, gateway: str, send: Callable[[str, dict[str, Any]], Awaitable[None]]
    ) -> None:
        self._url = url
        self._gateway = gateway
        self._send = send

    async def join(self, client: Client, stream: str) -> None:
        """See `streams.presence.Presences`."""
        entry = json.dumps([self._gateway, client.user, client.name])
        who: list[Part] = [client.session, client.user, client.name, client.site, stream, entry]
        names = [*_keys(client.site, stream), gateway_key(self._gateway)]
        mine, users = await self._run(_JOIN, names, who)
        if mine == 1 and users <= MAX_NAMED:
            frame = replies.joined(stream, client.user, client.name)
            event = _event("joined", client.user, client.session, frame)
            await self._tell(client.site, stream, event)

    async def leave(self, client: Client, stream: str) -> None:
        """See `streams.presence.Presences`."""
        await self._leave(client.site, stream, client.session, client.user, client.name)

    async def of(self, site: str, stream: str) -> People:
        """See `streams.presence.Presences`."""
        client = connection_redis.async_client(self._url)
        try:
            count = await client.zcard(users_key(site, stream))
            if count > MAX_NAMED:
                return count, None
            names = await client.hgetall(names_key(site, stream))
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error
        return len(names), tuple(sorted(cast(dict[str, str], names).items()))

    async def bury(self) -> None:
        """Takes out the sessions of gateways whose lease has ended; raises Overloaded."""
        dead = await self._run(_DEAD, [policy_keys.GATEWAYS], [])
        for gateway in [each for each in dead if each != self._gateway]:
            for place in await self._places(gateway):
                site, _, stream = place.partition("/")
                await self._bury_in(gateway, site, stream)
            await self._forget(gateway)

    async def _bury_in(self, gateway: str, site: str, stream: str) -> None:
        client = connection_redis.async_client(self._url)
        try:
            found = await client.hgetall(sessions_key(site, stream))
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error
        for session, entry in cast(dict[str, str], found).items():
            whose, user, name = json.loads(entry)
            if whose == gateway:
                await self._leave(site, stream, session, user, name)

    async def _leave(self, site: str, stream: str, session: str, user: str, name: str) -> None:
        who: list[Part] = [session, user, name, site, stream]
        rest, users = await self._run(_LEAVE, _keys(site, stream), who)
        if rest == 0 and users < MAX_NAMED:
            frame = replies.left(stream, user, name)
            await self._tell(site, stream, _event("left", user, session, frame))

    async def _tell(self, site: str, stream: str, event: dict[str, Any]) -> None:
        found = {"type": "stream.event", "stream": f"{site}/{stream}", **event}
        await self._send(keys.stream_group(site, stream), found)

    async def _places(self, gateway: str) -> set[str]:
        client = connection_redis.async_client(self._url)
        try:
            return cast(set[str], await client.smembers(gateway_key(gateway)))
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error

    async def _forget(self, gateway: str) -> None:
        pipeline = connection_redis.async_client(self._url).pipeline()
        pipeline.delete(gateway_key(gateway))
        pipeline.zrem(policy_keys.GATEWAYS, gateway)
        try:
            await pipeline.execute()
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error

    async def _run(self, script: Script, names: list[str], arguments: list[Part]) -> Any:
        try:
            return await script(self._url, names, arguments)
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error


def _keys(site: str, stream: str) -> list[str]:
    found = [sessions_key(site, stream), users_key(site, stream), names_key(site, stream)]
    return [*found, keys.EVENTS]


def _event(kind: str, user: str, session: str, frame: str) -> dict[str, Any]:
    return {"kind": kind, "user": user, "session": session, "frame": frame}
