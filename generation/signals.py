"""What is saved of assistants takes effect when it is committed."""

import logging
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save
from django.dispatch import receiver

from generation.assistants_db import AREA
from generation.models import AssistantModelRecord, AssistantRecord
from inference import config_redis

logger = logging.getLogger(__name__)


@receiver([post_save, post_delete], sender=AssistantRecord)
@receiver([post_save, post_delete], sender=AssistantModelRecord)
@receiver(m2m_changed, sender=AssistantRecord.other_models.through)
def assistants_changed(**_: Any) -> None:
    """Every process reads assistants and models again."""

    def bump() -> None:
        try:
            config_redis.bump(settings.RTAI_REDIS_URL, AREA)
        except (redis.RedisError, OSError) as error:
            logger.warning("An assistant is saved, but not yet in force: %s", error)

    transaction.on_commit(bump)
