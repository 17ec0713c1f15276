"""Assistants and models as the admin saves them."""

import pytest
import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from generation import sealing_cryptography
from generation.assistants import Backend, Trigger
from generation.assistants_db import AREA, load
from generation.models import AssistantModelRecord, AssistantRecord
from inference import config_redis
from inference.errors import ModelUnavailable
from streams.models import Site, Stream

pytestmark = pytest.mark.database
MODELS = "/admin/generation/assistantmodelrecord/"
ASSISTANTS = "/admin/generation/assistantrecord/"
SERVER = {
    "name": "big",
    "backend": "openai",
    "base_url": "http://127.0.0.1:9/v1",
    "upstream_model": "llama",
    "api_key": "sk-secret",
    "context_tokens": "4096",
    "max_tokens": "512",
    "connect_timeout_s": "5",
    "token_timeout_s": "30",
    "enabled": "on",
}


@pytest.fixture
def site(valkey: redis.Redis, transactional_db: None) -> Site:
    Site.objects.all().delete()
    AssistantRecord.objects.all().delete()
    AssistantModelRecord.objects.all().delete()
    return Site.objects.create(slug="shop", name="Shop", public_key="pk_shop")


@pytest.fixture
def operator(site: Site) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def an_assistant(name: str = "Helper") -> AssistantRecord:
    model, _ = AssistantModelRecord.objects.get_or_create(name="chat-mini")
    return AssistantRecord.objects.create(name=name, default_model=model)


def errors_of(client: Client, **changes: str) -> dict[str, list[str]]:
    response = client.post(f"{MODELS}add/", {**SERVER, **changes})
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def test_a_stream_has_its_own_assistant_or_its_sites(site: Site) -> None:
    site.assistant = an_assistant("Helper")
    site.save()
    Stream.objects.create(site=site, name="sport", assistant=an_assistant("Coach"))

    found = load()

    assert found.assistant("shop", None).name == "Helper"  # type: ignore[union-attr]
    assert found.assistant("shop", "lobby").name == "Helper"  # type: ignore[union-attr]
    assert found.assistant("shop", "sport").name == "Coach"  # type: ignore[union-attr]
    assert found.assistant("other", None) is None


def test_an_assistant_that_is_switched_off_answers_nowhere(site: Site) -> None:
    site.assistant = an_assistant()
    site.save()
    AssistantRecord.objects.update(enabled=False)

    assert load().assistant("shop", None) is None


def test_the_default_model_comes_first_and_once(site: Site) -> None:
    site.assistant = record = an_assistant()
    site.save()
    record.other_models.set([record.default_model, AssistantModelRecord.objects.create(name="a")])

    assert load().assistant("shop", None).models == ("chat-mini", "a")  # type: ignore[union-attr]


def test_a_server_is_added_in_the_admin_and_its_key_is_sealed(operator: Client) -> None:
    response = operator.post(f"{MODELS}add/", SERVER)

    record = AssistantModelRecord.objects.get(name="big")
    assert response.status_code == 302
    assert "sk-secret" not in record.sealed_key
    model = load().model("big")
    assert model is not None
    assert (model.backend, model.upstream_model) == (Backend.OPENAI, "llama")
    assert model.api_key == "sk-secret"
    assert "sk-secret" not in repr(model)
    page = operator.get(f"{MODELS}{record.pk}/change/").content.decode()
    assert "sk-secret" not in page
    assert record.sealed_key not in page


def test_an_empty_key_keeps_the_stored_one_and_a_tick_forgets_it(operator: Client) -> None:
    operator.post(f"{MODELS}add/", SERVER)
    record = AssistantModelRecord.objects.get(name="big")

    operator.post(f"{MODELS}{record.pk}/change/", {**SERVER, "api_key": "", "max_tokens": "9"})
    kept = load().model("big")
    operator.post(f"{MODELS}{record.pk}/change/", {**SERVER, "api_key": "", "forget_key": "on"})
    gone = load().model("big")

    assert kept is not None
    assert (kept.api_key, kept.max_tokens) == ("sk-secret", 9)
    assert gone is not None
    assert gone.api_key == ""


def test_a_stored_key_is_not_taken_to_another_server(operator: Client) -> None:
    operator.post(f"{MODELS}add/", SERVER)
    path = f"{MODELS}{AssistantModelRecord.objects.get(name='big').pk}/change/"
    moved = {**SERVER, "base_url": "http://evil.example/v1", "api_key": ""}

    refused = operator.post(path, moved)
    assert "api_key" in refused.context["adminform"].form.errors
    assert load().model("big").base_url == SERVER["base_url"]  # type: ignore[union-attr]
    assert operator.post(path, {**moved, "forget_key": "on"}).status_code == 302
    assert load().model("big").api_key == ""  # type: ignore[union-attr]


def test_a_model_that_becomes_the_plugins_loses_its_key(operator: Client) -> None:
    operator.post(f"{MODELS}add/", SERVER)
    path = f"{MODELS}{AssistantModelRecord.objects.get(name='big').pk}/change/"
    kept = {**SERVER, "api_key": ""}

    local = operator.post(path, {**kept, "backend": "local", "base_url": ""})
    assert local.status_code == 302
    assert not AssistantModelRecord.objects.get(name="big").has_key
    operator.post(path, {**kept, "base_url": "http://evil.example/v1"})

    assert load().model("big").api_key == ""  # type: ignore[union-attr]


def test_a_key_that_was_left_without_an_address_goes_nowhere(operator: Client) -> None:
    operator.post(f"{MODELS}add/", SERVER)
    AssistantModelRecord.objects.filter(name="big").update(backend="local", base_url="")
    path = f"{MODELS}{AssistantModelRecord.objects.get(name='big').pk}/change/"

    refused = operator.post(path, {**SERVER, "base_url": "http://evil.example/v1", "api_key": ""})

    assert "api_key" in refused.context["adminform"].form.errors


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("base_url", {"base_url": ""}),
        ("base_url", {"base_url": "file:///etc/passwd"}),
        ("base_url", {"base_url": "not an address"}),
        ("backend", {"backend": "local"}),
        ("backend", {"backend": "magic"}),
        ("api_key", {"api_key": "schlüssel"}),
        ("name", {"name": "a model"}),
        ("max_tokens", {"max_tokens": "4096"}),
        ("max_tokens", {"max_tokens": "0"}),
        ("context_tokens", {"context_tokens": "many"}),
        ("token_timeout_s", {"token_timeout_s": "-1"}),
    ],
)
def test_a_bad_value_is_refused(operator: Client, field: str, changes: dict[str, str]) -> None:
    assert field in errors_of(operator, **changes)
    assert not AssistantModelRecord.objects.exists()


def test_an_assistants_default_model_cannot_be_deleted(operator: Client) -> None:
    record = an_assistant()

    response = operator.post(f"{MODELS}{record.default_model_id}/delete/", {"post": "yes"})

    assert response.status_code == 403


def test_an_assistant_is_added_in_the_admin_and_every_process_is_told(
    operator: Client, valkey: redis.Redis
) -> None:
    model = AssistantModelRecord.objects.create(name="chat-mini")
    before = int(valkey.hget(config_redis.VERSIONS, AREA) or 0)
    fields = {
        "name": "Helper",
        "enabled": "on",
        "system_prompt": "Be brief.",
        "trigger": "always",
        "default_model": str(model.pk),
        "memory_tokens": "0",
        "max_tokens": "50",
        "temperature": "0",
        "top_p": "0.9",
        "wait_s": "60",
    }

    response = operator.post(f"{ASSISTANTS}add/", fields)

    assert response.status_code == 302
    found = AssistantRecord.objects.get()
    assert (found.trigger, found.top_p, found.wait_s) == (Trigger.ALWAYS, 0.9, 60)
    assert int(valkey.hget(config_redis.VERSIONS, AREA) or 0) > before
    assert operator.get(ASSISTANTS).status_code == 200
    assert operator.get(MODELS).status_code == 200


def test_an_assistant_draws_from_all_words_and_waits_for_30_seconds_unless_told(
    site: Site,
) -> None:
    site.assistant = record = an_assistant()
    site.save()
    found = load().assistant("shop", None)
    assert found is not None
    assert (found.top_p, found.wait_s) == (1.0, 30)

    record.top_p, record.wait_s = 0.5, 7
    record.save()

    found = load().assistant("shop", None)
    assert found is not None
    assert (found.top_p, found.wait_s) == (0.5, 7)


@pytest.mark.parametrize(
    ("field", "given"), [("top_p", "0"), ("top_p", "1.1"), ("wait_s", "0"), ("wait_s", "601")]
)
def test_a_bad_number_of_an_assistant_is_refused(operator: Client, field: str, given: str) -> None:
    response = operator.post(f"{ASSISTANTS}add/", {"name": "Helper", field: given})

    assert field in response.context["adminform"].form.errors


def test_an_assistants_name_is_one_word(operator: Client) -> None:
    response = operator.post(f"{ASSISTANTS}add/", {"name": "two words"})

    assert "name" in response.context["adminform"].form.errors


def test_a_key_sealed_elsewhere_leaves_its_model_out_and_no_other(site: Site) -> None:
    foreign = sealing_cryptography.seal("another secret", "sk-secret")
    AssistantModelRecord.objects.create(name="broken", sealed_key=foreign)
    AssistantModelRecord.objects.create(name="whole")

    found = load()

    assert found.model("broken") is None
    assert found.model("whole") is not None
    with pytest.raises(ModelUnavailable):
        sealing_cryptography.unseal(settings.RTAI_SECRETS["django"], foreign)


def test_no_key_is_sealed_as_no_text() -> None:
    assert sealing_cryptography.seal("s", "") == ""
    assert sealing_cryptography.unseal("s", "") == ""
