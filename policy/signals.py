"""Every change of a policy or of one of its rules gives the policy a new version, and is told."""

import logging
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from inference import config_redis
from policy.models import PolicyRecord, RuleRecord

AREA = "policies"
logger = logging.getLogger(__name__)


@receiver([post_save, post_delete], sender=PolicyRecord)
def policy_changed(instance: PolicyRecord, created: bool = False, **_: Any) -> None:
    """Processes read the policies again when the change is committed."""
    if not created:
        _new_version(instance.pk)
    _tell()


@receiver([post_save, post_delete], sender=RuleRecord)
def rule_changed(instance: RuleRecord, **_: Any) -> None:
    """A rule's change is its policy's."""
    _new_version(instance.policy_id)
    _tell()


def _new_version(policy: int) -> None:
    PolicyRecord.objects.filter(pk=policy).update(version=F("version") + 1)


def _tell() -> None:
    def bump() -> None:
        try:
            config_redis.bump(settings.RTAI_REDIS_URL, AREA)
        except (redis.RedisError, OSError) as error:
            logger.warning("A policy is saved, but not yet in force: %s", error)

    transaction.on_commit(bump)
