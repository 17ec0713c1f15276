"""Mailboxes in Redis: a hash for each user, filled by the script that publishes verdicts."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from typing import Any

import redis

from inference import connection_redis
from inference.errors import Overloaded
from streams import keys
from streams.asking_redis import ask
from streams.audience import Address
from streams.awaited import Mail
from streams.publisher_redis import MESSAGE_TTL_MS, mailed

AWAY = "Verdicts are away for a moment."


class RedisMailboxes:
    """Implements `streams.audience.Mailboxes`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def read(self, users: Iterable[tuple[str, str]]) -> list[list[Mail]]:
        """What waits for each pair of site and user, oldest first."""
        asked = [ask(self._url, "HGETALL", keys.mailbox(site, user)) for site, user in users]
        try:
            found = await asyncio.gather(*asked)
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error
        return [[_mail(id, mails[id]) for id in sorted(mails)] for mails in found]

    async def put(self, mails: Mapping[Address, Mail]) -> None:
        """Keeps verdicts for as long as fresh ones, in one round trip."""
        pipeline = connection_redis.async_client(self._url).pipeline(transaction=True)
        for (site, user, id), mail in mails.items():
            stored = mailed(mail.frame, mail.moderator_frame)
            pipeline.hset(keys.mailbox(site, user), id, stored)
            pipeline.pexpire(keys.mailbox(site, user), MESSAGE_TTL_MS)
        await _executed(pipeline)

    async def remove(self, mails: Iterable[Address]) -> None:
        """Forgets verdicts, in one round trip."""
        pipeline = connection_redis.async_client(self._url).pipeline(transaction=False)
        for site, user, id in mails:
            pipeline.hdel(keys.mailbox(site, user), id)
        await _executed(pipeline)


async def _executed(pipeline: Any) -> None:
    try:
        await pipeline.execute()
    except (redis.RedisError, OSError) as error:
        raise Overloaded(AWAY) from error


def _mail(id: str, stored: str) -> Mail:
    found = json.loads(stored)
    return Mail(id, found["frame"], found["moderator_frame"])
