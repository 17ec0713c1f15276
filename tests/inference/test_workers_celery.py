"""What a worker holds: switching versions while it works, with real small models."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import redis
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from inference import generators_celery, versions_db, workers_celery
from inference import metrics_prometheus as metrics
from inference.config_redis import VERSIONS
from inference.models import ModelVersionRecord
from inference.versions import ActiveVersion, Manifest
from inference.workers_redis import live_workers
from rtai_project.celery import app
from tests.inference import small_models

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

PLUGIN = "tests.inference.manners.Manners"


def no_trial(folder: Path, manifest: Manifest) -> None:
    """Versions that come here are known to be good."""


@pytest.fixture(autouse=True)
def _worker(settings: Settings, tmp_path: Path, valkey: redis.Redis, url: str) -> Iterator[None]:
    settings.RTAI_PLUGINS = (PLUGIN, "nothing.of.that.Name")
    for number in ("1.0.0", "2.0.0"):
        folder = small_models.version(tmp_path / number, version=number)
        versions_db.add(folder, tmp_path / "models", url, trial=no_trial)
    versions_db.activate("small@1.0.0", url)
    workers_celery.reset()
    yield
    workers_celery.reset()


def version_in_use() -> str:
    (scores,) = workers_celery.scorer().score(["good day"])
    return scores.models.get("manners", "").partition("+")[0]


def expire_the_look_at_the_database() -> None:
    """As if half a second had passed."""
    workers_celery._active()._checked = float("-inf")


def test_a_worker_scores_with_the_active_version() -> None:
    (scores,) = workers_celery.scorer().score(["good day"])

    assert set(scores.by_plugin["manners"]) == set(small_models.LABELS)
    assert scores.models["manners"].startswith("small@1.0.0+sha256:")
    assert scores.failures == {}


def test_another_active_version_is_used_without_a_restart(url: str) -> None:
    assert version_in_use() == "small@1.0.0"

    versions_db.activate("small@2.0.0", url)
    expire_the_look_at_the_database()

    assert version_in_use() == "small@2.0.0"
    assert "small@2.0.0" in metrics.exposition().decode()


def test_a_version_that_fails_is_recorded_and_the_old_one_goes_on(
    url: str, tmp_path: Path, valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    assert version_in_use() == "small@1.0.0"

    versions_db.activate("small@2.0.0", url)
    (tmp_path / "models" / "small-2.0.0" / "model.onnx").write_bytes(b"broken")
    expire_the_look_at_the_database()

    assert version_in_use() == "small@1.0.0"
    assert "expected sha256:" in ModelVersionRecord.objects.get(version="2.0.0").last_error
    workers_celery.heartbeat().beat()
    (status,) = live_workers(valkey)
    assert "expected sha256:" in status.description.errors["manners"]
    assert "ModuleNotFoundError" in status.description.errors["nothing.of.that.Name"]


def test_without_redis_the_worker_keeps_its_versions(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RTAI_REDIS_URL = "unix:///nowhere.sock"

    assert version_in_use() == "small@1.0.0"
    assert "Keeping the last models" in caplog.text


def test_a_change_that_redis_never_heard_of_is_seen_after_a_while(url: str) -> None:
    assert version_in_use() == "small@1.0.0"
    versions_db.activate("small@2.0.0", "unix:///nowhere.sock")

    expire_the_look_at_the_database()
    assert version_in_use() == "small@1.0.0"
    workers_celery._active()._loaded = float("-inf")
    expire_the_look_at_the_database()

    assert version_in_use() == "small@2.0.0"


def test_the_heartbeat_tells_what_is_loaded_under_the_supervisors_name(
    monkeypatch: pytest.MonkeyPatch, valkey: redis.Redis
) -> None:
    monkeypatch.setenv(metrics.PROCESS, "worker-7")
    version_in_use()

    workers_celery.heartbeat().beat()

    (status,) = live_workers(valkey)
    assert status.id.startswith("worker-7@")
    assert status.description.pid == os.getpid()
    assert status.description.models["manners"].version.startswith("small@1.0.0+")
    assert status.description.models["manners"].provider == "CPUExecutionProvider"


def test_a_worker_loads_and_beats_before_its_first_task(valkey: redis.Redis) -> None:
    workers_celery._begin(SimpleNamespace(app=app))
    workers_celery.heartbeat().beat()
    (status,) = live_workers(valkey)
    workers_celery._end(SimpleNamespace(app=app))

    assert list(status.description.models) == ["manners"]
    assert live_workers(valkey) == []


@pytest.mark.parametrize("worker", [workers_celery, generators_celery])
def test_a_worker_that_cannot_read_its_versions_ends(
    worker: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> dict[str, ActiveVersion]:
        raise OperationalError("connection refused")

    monkeypatch.setattr(versions_db, "active_versions", away)
    monkeypatch.setattr(worker, "serves", lambda *_: True)
    worker.reset()
    with pytest.raises(SystemExit, match="connection refused"):
        worker._begin()


def test_a_version_is_copied_and_tried_without_holding_up_other_writers(
    tmp_path: Path, url: str
) -> None:
    held = []

    def trial(folder: Path, manifest: Manifest) -> None:
        held.append(connection.in_atomic_block)

    folder = small_models.version(tmp_path / "3.0.0", version="3.0.0")
    versions_db.add(folder, tmp_path / "models", url, trial=trial)

    assert held == [False]


def test_scores_and_failures_are_counted() -> None:
    version_in_use()
    text = metrics.exposition().decode()

    assert 'rtai_model_seconds_count{plugin="manners"}' in text
    assert "rtai_batch_tokens_count" in text


def test_every_change_rises_the_counter_that_workers_watch(url: str, valkey: redis.Redis) -> None:
    before = valkey.hget(VERSIONS, "models")

    versions_db.activate("small@2.0.0", url)

    assert before == "3"
    assert valkey.hget(VERSIONS, "models") == "4"
