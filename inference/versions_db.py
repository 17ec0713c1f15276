"""Model versions in the database: registered, staged, active, retired."""

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import redis
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inference import config_redis, versions
from inference.errors import BadModel, NotFound
from inference.models import ModelVersionRecord
from inference.versions import ActiveVersion, Manifest

AREA = "models"
Status = ModelVersionRecord.Status
logger = logging.getLogger(__name__)


def active_versions() -> dict[str, ActiveVersion]:
    """The active version of each plugin; raises django.db.DatabaseError."""
    records = ModelVersionRecord.objects.filter(status=Status.ACTIVE)
    return {record.plugin: as_active(record) for record in records}


def as_active(record: ModelVersionRecord) -> ActiveVersion:
    """What a process needs to know to load this version."""
    return ActiveVersion(record.plugin, str(record), record.digest, Path(record.path))


def register_shipped(directories: Iterable[Path], url: str) -> list[str]:
    """Makes the versions in these folders known, and the newest active where none is.

    It also takes the place of an active version whose folder is gone, as after an upgrade that
    ships another one. May be called at every start. Returns what is wrong with folders that
    were left out.
    """
    problems: list[str] = []
    found: list[ModelVersionRecord] = []
    for folder in _folders(directories):
        try:
            found.append(_register(versions.load(folder), folder))
        except (BadModel, OSError) as error:
            problems.append(f"{folder.name}: {error}")
            logger.error("The shipped model version %s is left out: %s", folder.name, error)
    for record in found:
        _stand_in(record, url)
    return problems


def any_is_lost() -> bool:
    """Whether the folder of an active version is gone."""
    return any(not _is_there(version.path) for version in active_versions().values())


def add(
    folder: Path, models_dir: Path, url: str, *, trial: Callable[[Path, Manifest], None]
) -> ModelVersionRecord:
    """Verifies a version, copies it into `models_dir` as a whole, tries it, and stages it.

    The same version added again changes nothing, unless its files were gone. Raises BadModel,
    or OSError where the folder cannot be read or the copy not be written.
    """
    manifest = versions.load(folder)
    target = models_dir / f"{manifest.name}-{manifest.version}"
    known = _known(manifest)
    if known and _is_there(Path(known.path)):
        return known
    _copy(folder, target, manifest, trial)  # Takes its time, and holds no lock meanwhile.
    with transaction.atomic():
        record = _register(manifest, target)
        _bump_on_commit(url)
    return record


def activate(ref: str, url: str) -> ModelVersionRecord:
    """Makes a version its plugin's active one, and retires the one before, all at once.

    Raises NotFound, or BadModel where its files are no longer what its manifest says.
    """
    _verify(find(ref))
    with transaction.atomic():
        record = find(ref)
        # All of them, in one order: who activates another one at once has to wait.
        list(_locked().filter(plugin=record.plugin).order_by("pk"))
        others = ModelVersionRecord.objects.filter(plugin=record.plugin, status=Status.ACTIVE)
        others.exclude(pk=record.pk).update(status=Status.RETIRED, retired_at=timezone.now())
        record.status, record.activated_at = Status.ACTIVE, timezone.now()
        record.retired_at, record.last_error = None, ""
        record.save()
        _bump_on_commit(url)
    return record


def retire(ref: str, url: str) -> ModelVersionRecord:
    """Ends a version's life. Raises NotFound, or BadModel while it is active."""
    with transaction.atomic():
        record = _locked().get(pk=find(ref).pk)
        if record.status == Status.ACTIVE:
            raise BadModel(f"{ref} is active; activate another version of {record.plugin!r} first.")
        if record.status != Status.RETIRED:
            record.status, record.retired_at = Status.RETIRED, timezone.now()
            record.save()
            _bump_on_commit(url)
    return record


def find(ref: str) -> ModelVersionRecord:
    """The version called `name@version`; raises NotFound."""
    name, _, version = ref.partition("@")
    if record := ModelVersionRecord.objects.filter(name=name, version=version).first():
        return record
    known = ", ".join(map(str, ModelVersionRecord.objects.all())) or "none"
    raise NotFound(f"No model version {ref!r}; known: {known}.")


def _locked() -> QuerySet[ModelVersionRecord]:
    return ModelVersionRecord.objects.select_for_update()


def note_error(ref: str, reason: str) -> None:
    """Remembers why a worker could not load a version; an empty reason forgets it."""
    name, _, version = ref.partition("@")
    records = ModelVersionRecord.objects.filter(name=name, version=version)
    records.exclude(last_error=reason).update(last_error=reason)


def _folders(directories: Iterable[Path]) -> Iterator[Path]:
    for directory in directories:
        if directory.is_dir():
            # The newest first: it is the one to be activated where none is active.
            yield from sorted(
                (each.parent for each in directory.glob(f"*/{versions.MANIFEST}")),
                key=lambda folder: _sortable(folder.name),
                reverse=True,
            )


def _sortable(name: str) -> list[tuple[bool, int, str]]:
    parts = name.replace("-", ".").split(".")
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _register(manifest: Manifest, folder: Path) -> ModelVersionRecord:
    with transaction.atomic():
        record = _known(manifest)
        if record is None:
            return _record(manifest, folder)
        record.path = str(folder.resolve())
        record.save(update_fields=["path"])
        return record


def _stand_in(record: ModelVersionRecord, url: str) -> None:
    """Makes a staged version active where its plugin has none whose folder is there."""
    with transaction.atomic():
        active = _locked().filter(plugin=record.plugin, status=Status.ACTIVE).first()
        if record.status != Status.STAGED or (active and _is_there(Path(active.path))):
            return
        if active:
            logger.warning("%s is gone from %s; %s takes over.", active, active.path, record)
            active.status, active.retired_at = Status.RETIRED, timezone.now()
            active.save()
        record.status, record.activated_at = Status.ACTIVE, timezone.now()
        record.save()
        _bump_on_commit(url)


def _is_there(folder: Path) -> bool:
    return (folder / versions.MANIFEST).is_file()


def _known(manifest: Manifest) -> ModelVersionRecord | None:
    """The record of this very version; raises BadModel if the name stands for another one."""
    record = ModelVersionRecord.objects.filter(name=manifest.name, version=manifest.version).first()
    if record and record.digest != manifest.digest:
        raise BadModel(
            f"{manifest.ref} is known with the digest {record.digest}, not {manifest.digest}: "
            "a version never changes; give the new one a new number."
        )
    return record


def _record(manifest: Manifest, folder: Path) -> ModelVersionRecord:
    return ModelVersionRecord.objects.create(
        plugin=manifest.plugin,
        name=manifest.name,
        version=manifest.version,
        digest=manifest.digest,
        labels=list(manifest.labels),
        licence=manifest.licence,
        card=(folder / manifest.card).read_text(encoding="utf-8", errors="replace"),
        path=str(folder.resolve()),
    )


def _verify(record: ModelVersionRecord) -> None:
    manifest = versions.load(Path(record.path))
    if manifest.digest != record.digest:
        raise BadModel(
            f"{record} in {record.path} has the digest {manifest.digest}, expected {record.digest}."
        )


def _copy(
    folder: Path, target: Path, manifest: Manifest, trial: Callable[[Path, Manifest], None]
) -> None:
    """The folder appears at `target` whole, verified and tried, or not at all."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    incoming = Path(tempfile.mkdtemp(prefix=".incoming-", dir=target.parent))
    try:
        for name in (versions.MANIFEST, *manifest.files):
            shutil.copyfile(folder / name, incoming / name)
        copied = versions.load(incoming)
        if copied.digest != manifest.digest:
            raise BadModel(f"{folder} changed while it was copied.")
        trial(incoming, copied)
        if target.exists():
            # Left by an add that ended before its record was written.
            shutil.rmtree(target)
        os.replace(incoming, target)  # noqa: PTH105 - the same on a folder
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def _bump_on_commit(url: str) -> None:
    transaction.on_commit(lambda: _bump(url))


def _bump(url: str) -> None:
    try:
        config_redis.bump(url, AREA)
    except (redis.RedisError, OSError) as error:
        # What was saved stays: workers read it anew when they come back to Redis.
        logger.warning("Workers are not told of the change yet: %s", error)
