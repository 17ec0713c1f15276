"""A model version's life in the database, and the commands that change it."""

import io
import threading
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from inference import config_redis, versions_db
from inference.errors import BadModel, NotFound
from inference.models import ModelVersionRecord
from inference.workers_redis import Description, Heartbeat, LoadedModel
from tests.inference import small_models

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

PLUGIN = "tests.inference.manners.Manners"


@pytest.fixture(autouse=True)
def _settings(settings: Settings, tmp_path: Path, valkey: redis.Redis) -> None:
    settings.DATA_DIR = tmp_path / "data"
    settings.RTAI_PLUGINS = (PLUGIN,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_models.version(tmp_path / "incoming")


def manage(*arguments: str) -> str:
    out = io.StringIO()
    call_command("models", *arguments, stdout=out)
    return out.getvalue()


def status(ref: str) -> str:
    name, _, version = ref.partition("@")
    return str(ModelVersionRecord.objects.get(name=name, version=version).status)


def bumps(valkey: redis.Redis) -> int:
    return int(valkey.hget(config_redis.VERSIONS, "models") or 0)


def test_shipped_versions_are_registered_and_the_newest_becomes_active(
    tmp_path: Path, url: str
) -> None:
    for number in ("1.9.0", "1.10.0"):
        small_models.version(tmp_path / "shipped" / f"small-{number}", version=number)

    problems = [versions_db.register_shipped([tmp_path / "shipped"], url) for _ in range(2)]

    assert problems == [[], []]
    assert (status("small@1.10.0"), status("small@1.9.0")) == ("active", "staged")
    active = versions_db.active_versions()["manners"]
    assert active.ref == "small@1.10.0"
    assert active.path == (tmp_path / "shipped" / "small-1.10.0").resolve()


def test_a_shipped_version_does_not_replace_the_operators_choice(tmp_path: Path, url: str) -> None:
    small_models.version(tmp_path / "shipped" / "small-1.0.0")
    versions_db.register_shipped([tmp_path / "shipped"], url)
    small_models.version(tmp_path / "shipped" / "small-2.0.0", version="2.0.0")

    versions_db.register_shipped([tmp_path / "shipped"], url)

    assert (status("small@1.0.0"), status("small@2.0.0")) == ("active", "staged")


def test_a_broken_shipped_version_is_left_out_and_reported(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    small_models.version(tmp_path / "shipped" / "good-1.0.0", name="good")
    broken = small_models.version(tmp_path / "shipped" / "bad-1.0.0", name="bad", plugin="other")
    (broken / "model.onnx").unlink()

    (problem,) = versions_db.register_shipped([tmp_path / "shipped", tmp_path / "none"], url)

    assert "model.onnx is missing" in problem
    assert [record.ref for record in versions_db.active_versions().values()] == ["good@1.0.0"]


def test_a_shipped_version_that_changed_without_a_new_number_is_refused(
    tmp_path: Path, url: str
) -> None:
    folder = small_models.version(tmp_path / "shipped" / "small-1.0.0")
    versions_db.register_shipped([tmp_path / "shipped"], url)
    small_models.write_manifest(folder, licence="MIT")

    (problem,) = versions_db.register_shipped([tmp_path / "shipped"], url)

    assert "a version never changes" in problem


def test_a_moved_shipped_version_is_found_again(tmp_path: Path, url: str) -> None:
    small_models.version(tmp_path / "old" / "small-1.0.0")
    versions_db.register_shipped([tmp_path / "old"], url)
    (tmp_path / "old").rename(tmp_path / "new")

    versions_db.register_shipped([tmp_path / "new"], url)

    assert versions_db.active_versions()["manners"].path == tmp_path / "new" / "small-1.0.0"


def test_an_upgrade_that_removes_the_active_version_moves_to_the_shipped_one(
    tmp_path: Path, url: str, valkey: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    old = small_models.version(tmp_path / "shipped" / "small-1.0.0")
    versions_db.register_shipped([tmp_path / "shipped"], url)
    old.rename(tmp_path / "elsewhere")
    for number in ("1.1.0", "1.2.0"):
        small_models.version(tmp_path / "shipped" / f"small-{number}", version=number)
    assert versions_db.any_is_lost()
    told = bumps(valkey)

    problems = [versions_db.register_shipped([tmp_path / "shipped"], url) for _ in range(2)]

    assert problems == [[], []]
    assert [status(f"small@1.{n}.0") for n in range(3)] == ["retired", "staged", "active"]
    assert not versions_db.any_is_lost()
    assert bumps(valkey) == told + 1
    assert "small@1.0.0 is gone" in caplog.text


def test_a_version_that_the_operator_added_outlives_the_upgrade(
    folder: Path, tmp_path: Path, url: str
) -> None:
    manage("add", str(folder))
    manage("activate", "small@1.0.0")
    small_models.version(tmp_path / "shipped" / "small-1.1.0", version="1.1.0")

    versions_db.register_shipped([tmp_path / "shipped"], url)

    assert (status("small@1.0.0"), status("small@1.1.0")) == ("active", "staged")


def test_a_version_whose_files_are_gone_can_be_added_again(
    folder: Path, tmp_path: Path, url: str
) -> None:
    shipped = small_models.version(tmp_path / "shipped" / "small-1.0.0")
    versions_db.register_shipped([tmp_path / "shipped"], url)
    shipped.rename(tmp_path / "elsewhere")

    manage("add", str(folder))

    assert status("small@1.0.0") == "active"
    assert not versions_db.any_is_lost()


def test_a_retired_version_never_stands_in(tmp_path: Path, url: str) -> None:
    small_models.version(tmp_path / "shipped" / "small-1.0.0")
    small_models.version(tmp_path / "other" / "small-1.1.0", version="1.1.0")
    versions_db.register_shipped([tmp_path / "shipped", tmp_path / "other"], url)
    versions_db.retire("small@1.1.0", url)
    (tmp_path / "shipped" / "small-1.0.0").rename(tmp_path / "elsewhere")

    versions_db.register_shipped([tmp_path / "other"], url)

    assert (status("small@1.0.0"), status("small@1.1.0")) == ("active", "retired")


def test_the_way_from_added_to_retired(folder: Path, tmp_path: Path, valkey: redis.Redis) -> None:
    assert manage("add", str(folder)) == "small@1.0.0 is staged.\n"
    assert versions_db.active_versions() == {}
    assert manage("activate", "small@1.0.0") == "small@1.0.0 is active.\n"
    newer = small_models.version(tmp_path / "newer", version="2.0.0")
    manage("add", str(newer))
    manage("activate", "small@2.0.0")

    assert (status("small@1.0.0"), status("small@2.0.0")) == ("retired", "active")
    assert manage("retire", "small@1.0.0") == "small@1.0.0 is retired.\n"
    assert bumps(valkey) == 4
    copied = versions_db.active_versions()["manners"].path
    assert copied == tmp_path / "data" / "models" / "small-2.0.0"
    assert not list(copied.parent.glob(".incoming*"))


def test_a_retired_version_can_be_activated_again(folder: Path, tmp_path: Path) -> None:
    manage("add", str(folder))
    manage("retire", "small@1.0.0")

    manage("activate", "small@1.0.0")

    record = ModelVersionRecord.objects.get()
    assert (record.status, record.retired_at) == ("active", None)


def test_adding_the_same_version_twice_changes_nothing(folder: Path) -> None:
    manage("add", str(folder))
    manage("activate", "small@1.0.0")

    assert manage("add", str(folder)) == "small@1.0.0 is active.\n"


def test_adding_another_version_of_the_same_number_is_refused(folder: Path) -> None:
    manage("add", str(folder))
    small_models.write_manifest(folder, licence="MIT")

    with pytest.raises(CommandError, match="a version never changes"):
        manage("add", str(folder))


def test_what_an_unfinished_add_left_behind_is_replaced(folder: Path, tmp_path: Path) -> None:
    left = tmp_path / "data" / "models" / "small-1.0.0"
    left.mkdir(parents=True)
    (left / "model.onnx").write_bytes(b"half of it")

    manage("add", str(folder))

    assert (left / "model.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    assert str(versions_db.activate("small@1.0.0", "unix:///nowhere.sock")) == "small@1.0.0"


def nan_scores(folder: Path) -> None:
    small_models.write_graph(folder / "model.onnx", 2, weight=float("nan"))
    small_models.write_manifest(folder)


def no_onnx(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"GIF89a")
    small_models.write_manifest(folder)


def unknown_plugin(folder: Path) -> None:
    small_models.write_manifest(folder, plugin="manier")


def wrong_labels(folder: Path) -> None:
    small_models.write_manifest(folder, labels=["kind", "rude"])


def no_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(nan_scores, "rude is nan", id="NaN"),
        pytest.param(no_onnx, "cannot be loaded", id="not ONNX"),
        pytest.param(unknown_plugin, "registered: manners", id="unknown plugin"),
        pytest.param(wrong_labels, "expects rude, kind", id="wrong labels"),
        pytest.param(no_manifest, "manifest.json is missing", id="no manifest"),
    ],
)
def test_a_bad_model_is_not_added_and_leaves_nothing(
    damage: Any, said: str, folder: Path, tmp_path: Path
) -> None:
    damage(folder)

    with pytest.raises(CommandError, match=said):
        manage("add", str(folder))

    assert not ModelVersionRecord.objects.exists()
    assert list((tmp_path / "data").glob("models/*")) == []


@pytest.mark.parametrize("command", ["activate", "retire"])
def test_an_unknown_version_is_answered_with_the_known_ones(command: str, folder: Path) -> None:
    manage("add", str(folder))

    with pytest.raises(CommandError, match=r"No model version 'smal@1'; known: small@1\.0\.0"):
        manage(command, "smal@1")


def test_an_active_version_is_not_retired(folder: Path) -> None:
    manage("add", str(folder))
    manage("activate", "small@1.0.0")

    with pytest.raises(CommandError, match="activate another version"):
        manage("retire", "small@1.0.0")


def test_a_damaged_version_is_not_activated(folder: Path, tmp_path: Path, url: str) -> None:
    manage("add", str(folder))
    (tmp_path / "data" / "models" / "small-1.0.0" / "model.onnx").write_bytes(b"x")

    with pytest.raises(BadModel, match="expected sha256:"):
        versions_db.activate("small@1.0.0", url)

    assert status("small@1.0.0") == "staged"


def test_an_error_of_a_worker_is_remembered_until_it_loads(folder: Path) -> None:
    manage("add", str(folder))

    versions_db.note_error("small@1.0.0", "checksum differs")
    listed = manage("list")
    versions_db.note_error("small@1.0.0", "")

    assert "cannot be loaded: checksum differs" in listed
    assert "cannot be loaded" not in manage("list")


def test_the_list_names_the_workers_that_run_a_version(folder: Path, url: str) -> None:
    manage("add", str(folder))
    beat(url)

    assert "worker-1@here (CPUExecutionProvider)" in manage("list")


def test_without_redis_changes_are_saved_all_the_same(
    folder: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.RTAI_REDIS_URL = "unix:///nowhere.sock"

    manage("add", str(folder))
    manage("activate", "small@1.0.0")

    assert status("small@1.0.0") == "active"
    assert "not told of the change" in caplog.text
    assert manage("list").rstrip().endswith("-")


def beat(url: str) -> None:
    record = ModelVersionRecord.objects.get()
    tag = f"{record}+{record.digest[:19]}"
    models = {"manners": LoadedModel(tag, "CPUExecutionProvider")}
    Heartbeat(url, "worker-1@here", lambda: Description(1, "here", models)).beat()


def test_two_who_activate_at_once_leave_one_active_version(
    folder: Path, tmp_path: Path, url: str
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("The tests' SQLite lives in memory, where a second writer fails at once.")
    manage("add", str(folder))
    manage("add", str(small_models.version(tmp_path / "newer", version="2.0.0")))
    refs = ("small@1.0.0", "small@2.0.0")

    threads = [threading.Thread(target=activate_here, args=(ref, url)) for ref in refs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(map(status, refs)) == ["active", "retired"]


def activate_here(ref: str, url: str) -> None:
    versions_db.activate(ref, url)
    connection.close()


def test_not_found_is_what_an_unknown_version_is(url: str) -> None:
    with pytest.raises(NotFound, match="known: none"):
        versions_db.activate("small@1.0.0", url)
