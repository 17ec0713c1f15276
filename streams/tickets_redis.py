"""One-time tickets: what a browser's EventSource, which can send no header, carries in its URL.

A ticket stands for a token for a short time and can be used once, so that one found in a log
opens nothing. Redis holds its hash only.
"""

import json
import secrets
import time
from hashlib import sha256

import redis

from inference import connection_redis
from inference.errors import Overloaded
from streams import keys
from streams.tokens import Claims, InvalidToken, check_time

TTL_S = 30
AWAY = "Tickets cannot be stored now."
MAX_TICKET = 128


async def issue(url: str, claims: Claims) -> tuple[str, float]:
    """A fresh ticket for these claims, and when it ends, in seconds since the Unix epoch.

    Raises Overloaded while Redis is away.
    """
    ticket, now = secrets.token_urlsafe(32), time.time()
    ends = min(now + TTL_S, float(claims.exp))
    lives_ms = max(1, int((ends - now) * 1000))
    try:
        await connection_redis.async_client(url).set(
            _key(ticket), json.dumps(claims.as_json()), px=lives_ms
        )
    except (redis.RedisError, OSError) as error:
        raise Overloaded(AWAY, retry_after_ms=1_000) from error
    return ticket, ends


async def redeem(url: str, ticket: str) -> Claims:
    """The claims that a ticket stands for, once.

    Raises InvalidToken for an unknown, used or ended one, ExpiredToken where its token has ended
    meanwhile, and Overloaded while Redis is away.
    """
    if len(ticket) > MAX_TICKET:
        raise InvalidToken("The ticket is not valid.")
    try:
        found = await connection_redis.async_client(url).getdel(_key(ticket))
    except (redis.RedisError, OSError) as error:
        raise Overloaded("Tickets cannot be read now.", retry_after_ms=1_000) from error
    if found is None:
        raise InvalidToken("The ticket is unknown, used or has expired.")
    claims = Claims.from_json(json.loads(found))
    check_time(claims, time.time())
    return claims


def _key(ticket: str) -> str:
    return keys.ticket(sha256(ticket.encode()).hexdigest())
