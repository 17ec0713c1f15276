"""The worker's edge: a task names a generation that waits, or a message to answer."""

import logging
from collections.abc import Mapping
from typing import Any

from celery import shared_task
from django.db import connections

from generation import workers_celery
from generation.answering import answer_to
from inference.errors import RtaiError
from policy.messages import Message

logger = logging.getLogger(__name__)


@shared_task(name="generation.run", acks_late=False)
def run(id: str) -> None:
    """Writes a generation, if it still waits.

    Only a nudge, where no worker was known to look at what waits: the lease in Redis says who
    writes it.
    """
    workers_celery.taker().run(id)


@shared_task(name="generation.answer", acks_late=False)
def answer(message: Mapping[str, Any]) -> None:
    """Admits the answer to a message that called the assistant of its stream, once.

    Nobody waits for this answer: what forbids it (limits, a model that is away) is only logged.
    """
    found = Message.from_json(message)
    try:
        generation, who = answer_to(found, workers_celery.composer())
        admitted = workers_celery.generations().admit_sync(generation, who)
        if admitted.fresh and not admitted.heard:
            workers_celery.taker().run(admitted.id)
    except RtaiError as error:
        logger.info("The message %s is not answered: %s", found.id, error.detail)
    finally:
        connections.close_all()  # Each of the pool's threads has its own.
