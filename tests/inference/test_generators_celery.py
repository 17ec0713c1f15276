"""What a generation worker loads, and what other workers do not."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from inference import generators_celery, versions_db, workers_celery
from inference.errors import ModelUnavailable
from inference.generator import Cancellation
from inference.versions import Manifest
from rtai_project.celery import app
from tests.inference import small_decoders
from tests.inference.small_decoders import prompt, written

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def no_trial(folder: Path, manifest: Manifest) -> None:
    """Versions that come here are known to be good."""


@pytest.fixture(autouse=True)
def _worker(settings: Settings, tmp_path: Path, valkey: redis.Redis) -> Iterator[None]:
    settings.RTAI_PLUGINS = ("plugins.llm.Llm",)
    settings.DATA_DIR = tmp_path
    yield
    generators_celery._end()
    for module in (generators_celery, workers_celery):
        module.reset()


def activate(tmp_path: Path, url: str) -> str:
    folder = small_decoders.version(tmp_path / "babble")
    record = versions_db.add(folder, tmp_path / "models", url, trial=no_trial)
    versions_db.activate(str(record), url)
    return str(record)


def worker_of(*queues: str) -> Any:
    """As much of a Celery worker as the signal's receivers look at."""
    consumed = dict.fromkeys(queues)
    amqp = SimpleNamespace(queues=SimpleNamespace(consume_from=consumed))
    return SimpleNamespace(app=SimpleNamespace(amqp=amqp))


def test_without_an_active_version_the_reason_is_told() -> None:
    with pytest.raises(ModelUnavailable, match="no active model version"):
        generators_celery.local()


def test_the_active_version_writes(tmp_path: Path, url: str) -> None:
    activate(tmp_path, url)

    generator = generators_celery.local()

    assert written(generator.generate(prompt(), Cancellation()))[0]
    assert generators_celery.local() is generator


def test_a_worker_of_the_queue_loads_before_its_first_task(tmp_path: Path, url: str) -> None:
    activate(tmp_path, url)

    generators_celery._begin(worker_of("generation"))

    assert generators_celery._keeper().running
    assert generators_celery._generators().current().version.startswith("babble@1.0.0+")


def test_a_worker_loads_only_what_its_queue_needs(tmp_path: Path, url: str) -> None:
    activate(tmp_path, url)

    generators_celery._begin(worker_of("judge"))
    workers_celery._begin(worker_of("generation"))

    assert not generators_celery._keeper().running
    assert not workers_celery._keeper().running
    with pytest.raises(ModelUnavailable):
        generators_celery._generators().current()


def test_workers_of_the_queue_judge_are_known_by_celery_itself() -> None:
    assert workers_celery.serves(SimpleNamespace(app=app), "judge")
    assert not workers_celery.serves(SimpleNamespace(app=app), "elsewhere")


def test_versions_are_added_tried_and_listed_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = small_decoders.version(tmp_path / "babble")

    call_command("models", "add", str(folder))
    call_command("models", "activate", "babble@1.0.0")
    call_command("models", "list")

    listed = capsys.readouterr().out
    assert "babble@1.0.0 is active." in listed
    assert "llm          babble@1.0.0" in listed


def test_a_version_that_does_not_write_is_not_added(tmp_path: Path) -> None:
    changes = small_decoders.decoder(layers=1)
    folder = small_decoders.version(tmp_path / "babble", decoder=changes)

    with pytest.raises(CommandError, match="takes other values"):
        call_command("models", "add", str(folder))

    assert not (tmp_path / "models" / "babble-1.0.0").exists()


def test_a_version_for_no_generator_is_not_added(tmp_path: Path) -> None:
    folder = small_decoders.version(tmp_path / "babble", plugin="poet")

    with pytest.raises(CommandError, match="No generator named 'poet'; registered: llm"):
        call_command("models", "add", str(folder))


def test_shipped_decoders_are_registered_and_active(tmp_path: Path, url: str) -> None:
    small_decoders.version(tmp_path / "shipped" / "babble-1.0.0")

    assert versions_db.register_shipped([tmp_path / "shipped"], url) == []

    assert versions_db.active_versions()["llm"].ref == "babble@1.0.0"
