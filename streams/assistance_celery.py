"""The assistants of a gateway: who answers where, and the way to the workers that do."""

import logging

from celery import current_app
from kombu.exceptions import KombuError
from redis import RedisError

from generation.asking import Asked, Composer
from generation.assistants_db import Assistants, assistants
from generation.generations import Generation
from generation.memory_redis import RedisMemory
from generation.store import Requester
from inference import connection_redis
from policy import tasks
from policy.messages import Author, new_id
from streams.apps import said_in
from streams.threads_db import in_thread

LONG = 20_000
"""Characters that are measured in a thread."""
EXPIRES_S = 60
"""By then a generation was taken, dispatched again, or given up."""

logger = logging.getLogger(__name__)


class Assistance:
    """Composes and dispatches; holds the assistants in force since the last `refresh`."""

    def __init__(self, url: str) -> None:
        memory = RedisMemory(connection_redis.client(url), said_in())
        self._composer = Composer(self.book, memory, tasks.now_ms, new_id)
        self._book = Assistants({}, {}, {})

    def book(self) -> Assistants:
        """The assistants in force."""
        return self._book

    async def refresh(self) -> None:
        """Reads what the admin changed; raises django.db.DatabaseError."""
        self._book = await in_thread(assistants)

    async def compose(self, asked: Asked, who: Requester, author: Author) -> Generation:
        """See `generation.asking.Composer`."""
        long = sum(len(turn.content) for turn in asked.turns) > LONG
        if long or self._composer.remembers(asked, who):
            return await in_thread(lambda: self._composer.compose(asked, who, author))
        return self._composer.compose(asked, who, author)

    async def dispatch(self, id: str) -> None:
        """Tells a worker that a generation waits; what is not told now the sweep tells again."""
        try:
            await in_thread(lambda: _run(id))
        except (OSError, KombuError, RedisError) as error:
            logger.warning("A generation is dispatched later, the broker is away: %s", error)


def _run(id: str) -> None:
    # By name: a gateway needs nothing of what answers.
    current_app.send_task(
        "generation.run", (id,), queue="generation", retry=False, expires=EXPIRES_S
    )
