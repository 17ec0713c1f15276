"""Bans in Redis, where opening a session looks them up, and the word to gateways to close one."""

from collections.abc import Mapping

import msgpack
import redis
import redis.asyncio

from inference import config_redis
from inference.errors import Overloaded
from streams import keys
from streams.clients import Client
from streams.closes import CloseCode, close
from streams.session_store import BANNED, KICKED, Banned

AREA = "bans"
SESSION = "session"
USER = "user"
ADDRESS = "address"
LAYER_PREFIX = "rtai"
"""The channel layer's prefix, as in the settings."""

WRITE = """
local version, area = ARGV[1], ARGV[2]
if (redis.call('HGET', KEYS[2], area) or '0') ~= version then return 0 end
redis.call('DEL', KEYS[1])
for i = 3, #ARGV, 2 do redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i]) end
return 1
"""

KICK_MS = 60_000
"""How long a kick is known to those who missed the word: several renewals."""

KICK = f"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - {KICK_MS})
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], {KICK_MS})
redis.call('PUBLISH', ARGV[2], ARGV[3])
"""


def write_bans(client: "redis.Redis", site: str, ends_ms: Mapping[str, int], version: str) -> bool:
    """Replaces a site's bans in one step, if their area still has this version.

    `ends_ms` has the end of each ban by `user:ID` or `address:HASH`.
    """
    pairs = [str(part) for pair in ends_ms.items() for part in pair]
    found = client.register_script(WRITE)(
        keys=[keys.bans(site), config_redis.VERSIONS], args=[version, AREA, *pairs]
    )
    return bool(found)


def ban(client: "redis.Redis", site: str, kind: str, subject: str, until_ms: int) -> None:
    """Bans at once, in every process, and closes what is open; raises redis.RedisError."""
    pipeline = client.pipeline()
    pipeline.hincrby(config_redis.VERSIONS, AREA, 1)
    pipeline.zadd(keys.bans(site), {f"{kind}:{subject}": until_ms})
    pipeline.execute()
    close_sessions(client, site, kind, subject, BANNED)


def unban(client: "redis.Redis", site: str, kind: str, subject: str) -> None:
    """Lifts a ban at once; raises redis.RedisError."""
    pipeline = client.pipeline()
    pipeline.hincrby(config_redis.VERSIONS, AREA, 1)
    pipeline.zrem(keys.bans(site), f"{kind}:{subject}")
    pipeline.execute()


def ban_end(client: "redis.Redis", site: str, kind: str, subject: str) -> int:
    """When a ban ends, in ms since the Unix epoch; 0 for none; raises redis.RedisError."""
    return int(client.zscore(keys.bans(site), f"{kind}:{subject}") or 0)


async def refuse_banned(redis_client: "redis.asyncio.Redis", client: Client, now_ms: int) -> None:
    """Raises Banned for a client whose user or address is, and Overloaded while Redis is away."""
    subjects = [f"{USER}:{client.user}", f"{ADDRESS}:{client.address}"]
    try:
        found = await redis_client.zmscore(keys.bans(client.site), subjects)
    except (redis.RedisError, OSError) as error:
        raise Overloaded("Bans cannot be read now.", retry_after_ms=1_000) from error
    ends = max(int(end or 0) for end in found)
    if ends > now_ms:
        raise Banned(ends)


def close_sessions(
    client: "redis.Redis", site: str, kind: str, subject: str, detail: str = KICKED
) -> None:
    """Tells every gateway to close a `session`, or all of a `user` or an `address`.

    One that does not hear it learns of it with the next renewal of its sessions.
    """
    ended = close(CloseCode.BANNED, detail)
    who = {each: subject if each == kind else "" for each in (SESSION, USER, ADDRESS)}
    event = {"type": "session.close", **who, "code": ended.code, "reason": ended.reason}
    channel = f"{LAYER_PREFIX}__group__{keys.site_group(site)}"
    client.register_script(KICK)(
        keys=[keys.kicks(site)], args=[f"{kind}:{subject}", channel, msgpack.packb(event)]
    )
