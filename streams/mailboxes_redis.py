"""Mailboxes in Redis: a hash for each user, filled by the script that publishes verdicts."""

import asyncio
import json
from collections.abc import Iterable

import redis

from inference import connection_redis
from inference.errors import Overloaded
from streams import keys
from streams.asking_redis import ask
from streams.audience import Mail

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

    async def remove(self, delivered: Iterable[tuple[str, str, str]]) -> None:
        """Forgets verdicts by site, user and message id, in one round trip."""
        pipeline = connection_redis.async_client(self._url).pipeline(transaction=False)
        for site, user, id in delivered:
            pipeline.hdel(keys.mailbox(site, user), id)
        try:
            await pipeline.execute()
        except (redis.RedisError, OSError) as error:
            raise Overloaded(AWAY) from error


def _mail(id: str, stored: str) -> Mail:
    found = json.loads(stored)
    return Mail(id, found["frame"], found["moderator_frame"])
