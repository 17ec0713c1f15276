"""`manage.py models`: lists, adds, activates and retires model versions."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from inference import connection_redis, generators, registry, versions, versions_db
from inference.engine_onnx import OnnxEngine
from inference.errors import BadModel, RtaiError
from inference.loading import tried
from inference.models import ModelVersionRecord
from inference.plugin import Plugin
from inference.runtime_onnx import OnnxRuntime
from inference.scoring import BadScores
from inference.versions import Manifest
from inference.workers_redis import all_workers


class Command(BaseCommand):
    help = "Lists, adds, activates and retires model versions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        commands.add_parser("list", help="all versions, and the workers that run them")
        add = commands.add_parser("add", help="copy a version's folder and stage it")
        add.add_argument("folder", metavar="DIR", type=Path)
        for name, meaning in (
            ("activate", "make a version its plugin's active one; no restart is needed"),
            ("retire", "end the life of a version that is not active"),
        ):
            command = commands.add_parser(name, help=meaning)
            command.add_argument("ref", metavar="NAME@VERSION")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['command']}")(**options)
        except (RtaiError, OSError) as error:
            raise CommandError(str(error)) from None

    def _list(self, **_: Any) -> None:
        loaded = loaded_by()
        for record in ModelVersionRecord.objects.all():
            workers = loaded.get(versions.tag(str(record), record.digest), [])
            self.stdout.write(
                f"{record.plugin:12} {record!s:28} {record.status:8} {record.digest[:19]} "
                f"{record.licence:12} {', '.join(workers) or '-'}"
            )
            if record.last_error:
                self.stdout.write(f"{'':12} cannot be loaded: {record.last_error}")

    def _add(self, folder: Path, **_: Any) -> None:
        record = versions_db.add(
            folder, settings.DATA_DIR / "models", settings.RTAI_REDIS_URL, trial=try_out
        )
        self.stdout.write(f"{record} is {record.status}.")

    def _activate(self, ref: str, **_: Any) -> None:
        record = versions_db.activate(ref, settings.RTAI_REDIS_URL)
        self.stdout.write(f"{record} is active.")

    def _retire(self, ref: str, **_: Any) -> None:
        record = versions_db.retire(ref, settings.RTAI_REDIS_URL)
        self.stdout.write(f"{record} is retired.")


def loaded_by() -> dict[str, list[str]]:
    """Workers by the tag of the version they run, with the provider; empty without Redis."""
    found: dict[str, list[str]] = {}
    try:
        workers = all_workers(connection_redis.client(settings.RTAI_REDIS_URL))
    except (redis.RedisError, OSError):
        return found
    for worker in workers:
        for model in worker.description.models.values():
            found.setdefault(model.version, []).append(f"{worker.id} ({model.provider})")
    return found


def try_out(folder: Path, manifest: Manifest) -> None:
    """Loads and runs a version once; raises RtaiError."""
    found = registry.find(settings.RTAI_PLUGINS)
    if manifest.decoder:
        generator = found.generator(manifest.plugin)
        memory_mb = settings.RTAI_GENERATION_MEMORY_MB
        generators.tried(generator(OnnxEngine(folder, manifest, memory_mb=memory_mb)))
    else:
        _try_plugin(found.get(manifest.plugin), folder, manifest)


def _try_plugin(plugin: type[Plugin], folder: Path, manifest: Manifest) -> None:
    versions.check_labels(manifest, plugin.name, plugin.labels)
    try:
        tried(plugin(OnnxRuntime(folder, manifest)))
    except BadScores as error:
        raise BadModel(f"{manifest.ref} gives no scores as promised: {error}.") from None
