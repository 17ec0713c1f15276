"""`manage.py doctor`: one line for each part that must work; exit status 1 if one does not."""

import os
import shutil
import stat
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

import onnxruntime
import redis
from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from inference import connection_redis, registry, versions, versions_db, workers_celery
from inference.errors import BadModel
from inference.models import ModelVersionRecord
from inference.versions import ActiveVersion
from inference.workers_redis import WorkerStatus, all_workers, live_workers
from policy.models import RuleRecord
from policy.rule_checks import doubt
from rtai_project import environment, keyring, migrations_db
from rtai_project.checks import RTAI

LOW_SPACE_BYTES = 512 * 1024 * 1024
EVERY_SECOND = "everysec"
STUCK_S = 30.0
SAMPLE = "Good morning, everyone!"


class Problem(Exception):
    """What is wrong, and what to do about it."""


class Command(BaseCommand):
    help = "Checks configuration, Redis, database, workers, model files and execution providers."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "Workers and the embedded Redis are there while `manage.py up` runs."

    def handle(self, *args: Any, **options: Any) -> None:
        results = [self._check(name, check) for name, check in CHECKS.items()]
        if not all(results):
            raise SystemExit(1)

    def _check(self, name: str, check: Callable[[], str]) -> bool:
        try:
            self.stdout.write(f"ok    {name:<20}{check()}")
        except (Problem, BadModel, DatabaseError, redis.RedisError, OSError) as error:
            self.stdout.write(f"FAIL  {name:<20}{' '.join(str(error).split())}")
            return False
        return True


def check_configuration() -> str:
    """Every RTAI_* variable is known and allowed, and the set-up is not unsafe."""
    doubts = [f"{name} is not a variable of RTAI" for name in environment.check()]
    doubts += [f"{each.msg} {each.hint or ''}".strip() for each in checks.run_checks(tags=[RTAI])]
    if doubts:
        raise Problem("; ".join(doubts))
    given = [name for name in environment.VARIABLES if os.environ.get(name)]
    return f"{len(given)} variables given: {', '.join(given) or 'all defaults'}"


def check_data_dir() -> str:
    """There is room, and the secrets are for this user alone."""
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < LOW_SPACE_BYTES:
        raise Problem(f"{settings.DATA_DIR} has {free >> 20} MiB left; free some space.")
    mode = stat.S_IMODE((settings.DATA_DIR / keyring.FILE).stat().st_mode)
    if mode & 0o077:
        raise Problem(f"{keyring.FILE} has mode {mode:o}; run chmod 600 on it.")
    return f"{settings.DATA_DIR}, {free >> 30} GiB free"


def check_redis() -> str:
    """Redis answers, and does not throw keys away when its memory is full."""
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    try:
        found = client.info()
    except redis.RedisError as error:
        raise Problem(f"{error}. Is `manage.py up` running?") from None
    if (policy := found.get("maxmemory_policy", "noeviction")) != "noeviction":
        raise Problem(f"maxmemory-policy is {policy}: messages can vanish; set noeviction.")
    if not found.get("aof_enabled"):
        raise Problem("appendonly is off: a restart of Redis loses messages; turn it on.")
    version = found.get("valkey_version") or found.get("redis_version")
    used = f"{found['used_memory'] >> 20} MiB used"
    return f"version {version}, {used}, {_logging(client)}"


def _logging(client: "redis.Redis") -> str:
    """When writes are in the log; servers of others may not tell."""
    try:
        kept = client.config_get("appendfsync").get("appendfsync")
    except redis.ResponseError:
        return "writes are logged"
    if kept == EVERY_SECOND:
        return "writes are logged, but a kill of Redis may lose the last ones (appendfsync)"
    return "writes are logged before they are answered"


def check_database() -> str:
    """The database answers, and its tables are those of this version."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    if pending := migrations_db.pending():
        raise Problem(
            f"{len(pending)} migrations are not applied ({pending[0]} …); `manage.py up` does it."
        )
    return f"{connection.vendor}, all migrations applied"


def check_workers() -> str:
    """There are workers, and none is stuck or without a model."""
    if not live_workers(connection_redis.client(settings.RTAI_REDIS_URL)):
        raise Problem("No worker is alive. Is `manage.py up` running?")
    workers = _workers()
    for worker in workers:
        if worker.busy_s >= STUCK_S:
            raise Problem(f"{worker.id} has been busy with one task for {worker.busy_s:.0f} s.")
        for plugin, reason in worker.description.errors.items():
            raise Problem(f"{worker.id} runs without {plugin}: {reason}")
    return ", ".join(worker.id for worker in workers)


def check_plugins() -> str:
    """Every plugin that is named or installed can be loaded."""
    found = registry.find(settings.RTAI_PLUGINS)
    if found.broken:
        raise Problem("; ".join(f"{each.source}: {each.reason}" for each in found.broken))
    return ", ".join((*found.plugins, *found.generators))


def check_policies() -> str:
    """Every rule looks at a label that its plugin has."""
    rules = RuleRecord.objects.filter(enabled=True).select_related("policy")
    paths = settings.RTAI_PLUGINS
    told = [(rule, doubt(rule.plugin, rule.label, paths)) for rule in rules]
    if wrong := [f"{rule.policy}, rule {rule.name}: {said}" for rule, said in told if said]:
        raise Problem("; ".join(wrong))
    return f"{len(rules)} rules"


def check_model_files() -> str:
    """Every plugin that needs a model has one, and every file is what its manifest says."""
    active = versions_db.active_versions()
    needing = [each.name for each in registry.find(settings.RTAI_PLUGINS) if each.needs_model]
    if missing := sorted(set(needing) - set(active)):
        raise Problem(f"No active model version for {', '.join(missing)}; see `models list`.")
    return ", ".join(_verified(version) for version in active.values())


def check_versions() -> str:
    """No worker failed to load a version it was told to."""
    failed = ModelVersionRecord.objects.exclude(last_error="").exclude(status="retired")
    if problems := [f"{record}: {record.last_error}" for record in failed]:
        raise Problem("; ".join(problems))
    return f"{ModelVersionRecord.objects.count()} known, none failed to load"


def check_providers() -> str:
    """What models run on, here and in the workers; ONNX Runtime must not phone home."""
    if os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
        raise Problem("ORT_DISABLE_TELEMETRY is not 1: ONNX Runtime would report its use.")
    used = sorted(
        {model.provider for each in _workers() for model in each.description.models.values()}
    )
    offered = ", ".join(onnxruntime.get_available_providers())
    return f"workers use {', '.join(used) or 'none'}; offered are {offered}; telemetry is off"


def check_judging() -> str:
    """The active versions load in this process and score a text."""
    [scores] = workers_celery.scorer().score([SAMPLE])
    if scores.failures:
        raise Problem("; ".join(f"{name}: {why}" for name, why in scores.failures.items()))
    return f"a text was scored by {', '.join(scores.models.values())}"


CHECKS: dict[str, Callable[[], str]] = {
    "configuration": check_configuration,
    "data folder": check_data_dir,
    "Redis": check_redis,
    "database": check_database,
    "workers": check_workers,
    "plugins": check_plugins,
    "policies": check_policies,
    "model files": check_model_files,
    "model versions": check_versions,
    "execution providers": check_providers,
    "judging": check_judging,
}


def _workers() -> list[WorkerStatus]:
    return all_workers(connection_redis.client(settings.RTAI_REDIS_URL))


def _verified(version: ActiveVersion) -> str:
    manifest = versions.load(version.path)
    if manifest.digest != version.digest:
        raise Problem(f"{version.ref}: its manifest is not the one that was activated.")
    return manifest.tag
