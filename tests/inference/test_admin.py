"""The admin's page of model versions."""

from pathlib import Path

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from inference.models import ModelVersionRecord
from tests.inference import small_models
from tests.inference.test_versions_db import PLUGIN, beat, manage, status

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


@pytest.fixture(autouse=True)
def _settings(settings: Settings, tmp_path: Path, valkey: redis.Redis) -> None:
    settings.DATA_DIR = tmp_path / "data"
    settings.RTAI_PLUGINS = (PLUGIN,)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_models.version(tmp_path / "incoming")


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("op", password="pw"))
    return client


CHANGELIST = "/admin/inference/modelversionrecord/"


def act(operator: Client, action: str) -> str:
    keys = list(ModelVersionRecord.objects.values_list("pk", flat=True))
    body = {"action": action, "_selected_action": keys}
    return operator.post(CHANGELIST, body, follow=True).content.decode()


def test_the_admin_activates_and_explains_what_it_refuses(operator: Client, folder: Path) -> None:
    manage("add", str(folder))

    assert "small@1.0.0 is active." in act(operator, "activate")
    assert "activate another version" in act(operator, "retire")
    assert status("small@1.0.0") == "active"


def test_the_admin_shows_who_runs_a_version_and_its_card_as_text(
    operator: Client, folder: Path, url: str
) -> None:
    manage("add", str(folder))
    beat(url)
    record = ModelVersionRecord.objects.get()

    listed = operator.get(CHANGELIST).content.decode()
    page = operator.get(f"{CHANGELIST}{record.pk}/change/").content.decode()

    assert "worker-1@here (CPUExecutionProvider)" in listed
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_the_admin_lets_nobody_add_delete_or_edit_versions(operator: Client, folder: Path) -> None:
    manage("add", str(folder))
    record = ModelVersionRecord.objects.get()

    assert operator.get(f"{CHANGELIST}add/").status_code == 403
    assert operator.post(f"{CHANGELIST}{record.pk}/delete/").status_code == 403
    operator.post(f"{CHANGELIST}{record.pk}/change/", {"status": "active", "path": "/etc"})
    record.refresh_from_db()
    assert (record.status, record.path != "/etc") == ("staged", True)


def test_who_may_only_look_gets_no_actions(
    client: Client, settings: Settings, folder: Path
) -> None:
    manage("add", str(folder))
    viewer = User.objects.create_user("viewer", password="pw", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_modelversionrecord"))
    client.force_login(viewer)

    page = client.get(CHANGELIST).content.decode()
    act(client, "activate")

    assert "small@1.0.0" in page
    assert 'value="activate"' not in page
    assert status("small@1.0.0") == "staged"
