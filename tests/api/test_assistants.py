"""Assistants and their models over REST, and which of them answers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import redis

from generation.assistants_db import AREA, load
from generation.models import AssistantModelRecord, AssistantRecord
from inference import config_redis
from streams.models import ApiKey, Site
from tests.api.conftest import Call

pytestmark = pytest.mark.database
MODELS, ASSISTANTS = "/api/v1/assistant-models", "/api/v1/assistants"
SERVER = {
    "name": "meta/llama-3:8b",
    "backend": "openai",
    "base_url": "http://127.0.0.1:9/v1",
    "upstream_model": "llama",
    "api_key": "sk-secret",
}
MODEL = f"{MODELS}/meta/llama-3:8b"


@pytest.fixture
def helper(make_key: Callable[..., ApiKey]) -> AssistantRecord:
    make_key(["*"])
    AssistantRecord.objects.all().delete()
    model, _ = AssistantModelRecord.objects.get_or_create(name="chat-mini")
    return AssistantRecord.objects.create(name="Helper", default_model=model)


def test_a_site_and_a_stream_choose_their_assistant_and_give_it_up(
    helper: AssistantRecord, call: Call
) -> None:
    for path in ("/api/v1/sites/shop", "/api/v1/streams/lobby?site=shop"):
        assert call("patch", path, {"assistant": "Helper"}).data["assistant"] == "Helper"
        assert call("patch", path, {"active": True}).data["assistant"] == "Helper"
        assert call("patch", path, {"assistant": None}).data["assistant"] is None


def test_a_new_site_and_a_new_stream_may_begin_with_one(
    helper: AssistantRecord, call: Call
) -> None:
    site = call("post", "/api/v1/sites", {"slug": "blog", "name": "Blog", "assistant": "Helper"})
    stream = call("post", "/api/v1/streams", {"name": "a", "site": "blog", "assistant": "Helper"})

    assert (site.data["assistant"], stream.data["assistant"]) == ("Helper", "Helper")


@pytest.mark.parametrize(
    ("name", "status"), [("Nobody", 404), ("", 422), ("x" * 33, 422), (7, 422)]
)
def test_an_assistant_that_does_not_exist_cannot_be_chosen(
    helper: AssistantRecord, call: Call, name: object, status: int
) -> None:
    assert call("patch", "/api/v1/sites/shop", {"assistant": name}).status_code == status


@pytest.fixture
def server(helper: AssistantRecord, call: Call) -> AssistantModelRecord:
    AssistantModelRecord.objects.exclude(name="chat-mini").delete()
    response = call("post", MODELS, SERVER)
    assert response.status_code == 201, response.data
    return AssistantModelRecord.objects.get(name=SERVER["name"])


def key_of(name: str) -> str:
    """What a worker would send to the model's server."""
    found = load().model(name)
    assert found is not None
    return found.api_key


def test_a_model_is_made_read_changed_and_removed(server: AssistantModelRecord, call: Call) -> None:
    known = {
        "name": "meta/llama-3:8b", "backend": "openai", "base_url": "http://127.0.0.1:9/v1",
        "upstream_model": "llama", "has_key": True, "context_tokens": 4096, "max_tokens": 512,
        "connect_timeout_s": 5.0, "token_timeout_s": 30.0, "enabled": True,
    }  # fmt: skip
    assert call("get", MODEL).data == known
    assert [each["name"] for each in call("get", MODELS).data] == ["chat-mini", "meta/llama-3:8b"]
    changed = call("patch", MODEL, {"max_tokens": 99, "enabled": False, "upstream_model": None})
    assert changed.data == {**known, "max_tokens": 99, "enabled": False}
    assert call("get", MODEL).data == changed.data

    assert call("delete", MODEL).status_code == 204
    assert call("get", MODEL).status_code == 404
    assert call("delete", MODEL).status_code == 404


def test_a_key_goes_in_sealed_and_never_comes_out(server: AssistantModelRecord, call: Call) -> None:
    assert "sk-secret" not in server.sealed_key
    assert key_of(server.name) == "sk-secret"
    call("patch", MODEL, {"upstream_model": "other"})
    assert key_of(server.name) == "sk-secret"
    call("patch", MODEL, {"api_key": " sk-another "})
    assert key_of(server.name) == "sk-another"
    server.refresh_from_db()
    for path in (MODEL, MODELS, ASSISTANTS):
        shown = json.dumps(call("get", path).data)
        assert "sk-" not in shown
        assert server.sealed_key not in shown

    assert call("patch", MODEL, {"api_key": None}).data["has_key"] is False
    assert key_of(server.name) == ""


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("http://127.0.0.1:9/v2", 200),
        ("http://127.0.0.1:10/v1", 422),
        ("https://127.0.0.1:9/v1", 422),
        ("http://evil.example/v1", 422),
    ],
)
def test_a_stored_key_stays_with_its_server(
    server: AssistantModelRecord, call: Call, address: str, status: int
) -> None:
    assert call("patch", MODEL, {"base_url": address}).status_code == status
    assert (load().model(server.name).base_url == address) == (status == 200)  # type: ignore[union-attr]
    assert call("patch", MODEL, {"base_url": address, "api_key": "sk-2"}).status_code == 200
    assert key_of(server.name) == "sk-2"
    moved = {"base_url": "http://else.example/v1", "api_key": None}
    assert call("patch", MODEL, moved).data["has_key"] is False


def test_a_model_that_becomes_the_plugins_loses_its_key(
    server: AssistantModelRecord, call: Call
) -> None:
    local = call("patch", MODEL, {"backend": "local", "base_url": ""})
    assert (local.status_code, local.data["has_key"]) == (200, False)

    back = {"backend": "openai", "base_url": "http://evil.example/v1"}
    assert call("patch", MODEL, back).data["has_key"] is False
    assert key_of(server.name) == ""


def test_a_key_that_was_left_without_an_address_goes_nowhere(
    server: AssistantModelRecord, call: Call
) -> None:
    AssistantModelRecord.objects.filter(pk=server.pk).update(backend="local", base_url="")
    back = {"backend": "openai", "base_url": "http://evil.example/v1"}

    assert call("patch", MODEL, back).status_code == 422
    assert call("patch", MODEL, {**back, "api_key": "sk-2"}).status_code == 200
    assert key_of(server.name) == "sk-2"


def test_an_assistant_is_made_read_changed_and_removed(
    server: AssistantModelRecord, call: Call
) -> None:
    body = {"name": "Coach", "default_model": "chat-mini", "system_prompt": "Be brief.\n\tNow."}
    made = call("post", ASSISTANTS, {**body, "other_models": [server.name]})
    known = {
        **body, "other_models": [server.name], "trigger": "mention", "memory_tokens": 256,
        "max_tokens": 256, "temperature": 0.7, "top_p": 1.0, "wait_s": 30, "enabled": True,
    }  # fmt: skip
    assert (made.status_code, made.data) == (201, known)
    assert [each["name"] for each in call("get", ASSISTANTS).data] == ["Coach", "Helper"]
    change = {
        "trigger": "always", "default_model": server.name, "other_models": ["chat-mini"],
        "top_p": 0.9, "wait_s": 7,
    }  # fmt: skip
    assert call("patch", f"{ASSISTANTS}/Coach", change).data == {**known, **change}
    small = {"temperature": 0, "other_models": [], "system_prompt": None}
    assert call("patch", f"{ASSISTANTS}/Coach", small).data == {**known, **change, **{
        "temperature": 0, "other_models": [],
    }}  # fmt: skip
    assert call("get", f"{ASSISTANTS}/Coach").data["system_prompt"] == "Be brief.\n\tNow."

    call("patch", "/api/v1/sites/shop", {"assistant": "Coach"})
    assert load().assistant("shop", "lobby").name == "Coach"  # type: ignore[union-attr]
    assert call("delete", f"{ASSISTANTS}/Coach").status_code == 204
    assert call("get", f"{ASSISTANTS}/Coach").status_code == 404
    assert call("get", "/api/v1/sites/shop").data["assistant"] is None


def test_a_change_is_told_to_every_process(
    server: AssistantModelRecord, call: Call, valkey: redis.Redis
) -> None:
    def version() -> int:
        return int(valkey.hget(config_redis.VERSIONS, AREA) or 0)

    for method, path, body in (
        ("post", ASSISTANTS, {"name": "Coach", "default_model": "chat-mini"}),
        ("patch", f"{ASSISTANTS}/Coach", {"other_models": [server.name]}),
        ("delete", f"{ASSISTANTS}/Coach", None),
        ("patch", MODEL, {"enabled": False}),
        ("delete", MODEL, None),
    ):
        before = version()
        assert call(method, path, body).status_code < 300
        assert version() > before, (method, path)


def test_the_default_model_of_an_assistant_is_not_removed(
    helper: AssistantRecord, call: Call
) -> None:
    response = call("delete", f"{MODELS}/chat-mini")

    assert (response.status_code, response.data["code"]) == (409, "conflict")
    assert AssistantModelRecord.objects.filter(name="chat-mini").exists()


def test_a_name_is_taken_once(server: AssistantModelRecord, call: Call) -> None:
    again = call("post", MODELS, SERVER)
    helper = call("post", ASSISTANTS, {"name": "Helper", "default_model": "chat-mini"})

    assert [(each.status_code, each.data["code"]) for each in (again, helper)] == [
        (409, "conflict")
    ] * 2
    assert "sk-secret" not in json.dumps(again.data)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""}, {"name": "two words"}, {"name": "/etc"}, {"name": "x" * 101}, {"name": None},
        {"backend": "magic"}, {"backend": "local"}, {"base_url": ""}, {"base_url": "no address"},
        {"base_url": "file:///etc/passwd"}, {"base_url": "http://"}, {"base_url": "http://[::1/"},
        {"base_url": "http://x/" + "y" * 300}, {"upstream_model": "a\u0000b"},
        {"api_key": "schlüssel"}, {"api_key": "two\nlines"}, {"api_key": "k" * 4_097},
        {"api_key": 7}, {"api_key": "\ud800"}, {"max_tokens": 0}, {"max_tokens": 4_096},
        {"max_tokens": "9"}, {"max_tokens": 2**70}, {"context_tokens": 63},
        {"context_tokens": 1.5}, {"connect_timeout_s": 0}, {"token_timeout_s": "NaN"},
        {"token_timeout_s": -1}, {"enabled": "perhaps"}, {"sealed_key": "x"}, {"key": "x"},
    ],
)  # fmt: skip
def test_a_bad_model_is_refused_and_nothing_is_stored(
    helper: AssistantRecord, call: Call, changes: dict[str, Any]
) -> None:
    AssistantModelRecord.objects.exclude(name="chat-mini").delete()
    response = call("post", MODELS, {**SERVER, **changes})

    assert (response.status_code, response.data["code"]) == (422, "bad_frame"), response.data
    assert response["Content-Type"] == "application/problem+json"
    assert "sk-secret" not in json.dumps(response.data)
    assert AssistantModelRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"name": "two words"}, 422), ({"name": ""}, 422), ({"name": "x" * 33}, 422),
        ({"name": "a\n"}, 422), ({"system_prompt": "a\u0000b"}, 422),
        ({"system_prompt": "\ud800"}, 422), ({"system_prompt": "x" * 20_001}, 422),
        ({"trigger": "sometimes"}, 422), ({"default_model": None}, 422),
        ({"default_model": "nothing"}, 404), ({"other_models": ["nothing"]}, 404),
        ({"other_models": "chat-mini"}, 422), ({"other_models": [7]}, 422),
        ({"memory_tokens": -1}, 422), ({"max_tokens": 0}, 422), ({"max_tokens": 131_073}, 422),
        ({"temperature": 2.1}, 422), ({"temperature": "Infinity"}, 422), ({"prompt": "x"}, 422),
        ({"top_p": 0}, 422), ({"top_p": 1.1}, 422), ({"top_p": "NaN"}, 422),
        ({"wait_s": 0}, 422), ({"wait_s": 601}, 422), ({"wait_s": 1.5}, 422),
    ],
)  # fmt: skip
def test_a_bad_assistant_is_refused_and_nothing_is_stored(
    helper: AssistantRecord, call: Call, changes: dict[str, Any], status: int
) -> None:
    body = {"name": "Coach", "default_model": "chat-mini", **changes}
    response = call("post", ASSISTANTS, body)
    assert response.status_code == status, response.data
    changed = call("patch", f"{ASSISTANTS}/Helper", changes)

    assert changed.status_code == (200 if changes == {"default_model": None} else status)
    assert AssistantRecord.objects.count() == 1


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "7", b"\xff", "[" * 5_000])
@pytest.mark.parametrize(
    ("method", "path"),
    [("post", MODELS), ("post", ASSISTANTS), ("patch", f"{MODELS}/chat-mini"),
     ("patch", f"{ASSISTANTS}/Helper")],
)  # fmt: skip
def test_what_is_no_object_is_refused(
    helper: AssistantRecord, call: Call, method: str, path: str, body: str | bytes
) -> None:
    response = call(method, path, body)

    assert response.status_code in (400, 422), response.data
    assert response["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        ([], 403, 403),
        (["models"], 403, 403),
        (["assistants:read"], 200, 403),
        (["assistants"], 200, 403),
        (["installation"], 403, 403),
        (["assistants", "installation"], 200, 204),
    ],
)
def test_reading_and_changing_take_their_scopes(
    make_key: Callable[..., ApiKey], call: Call, scopes: list[str], reads: int, writes: int
) -> None:
    make_key(scopes)
    AssistantRecord.objects.all().delete()
    model, _ = AssistantModelRecord.objects.get_or_create(name="chat-mini")
    AssistantRecord.objects.create(name="Helper", default_model=model)

    for path in (MODELS, ASSISTANTS, f"{MODELS}/chat-mini", f"{ASSISTANTS}/Helper"):
        assert call("get", path).status_code == reads
    for path, body in ((MODELS, SERVER), (ASSISTANTS, {"name": "C", "default_model": "chat-mini"})):
        assert call("post", path, body).status_code == (201 if writes == 204 else writes)
    assert call("patch", f"{MODELS}/chat-mini", {}).status_code == (200 if writes == 204 else 403)
    assert call("delete", f"{ASSISTANTS}/Helper").status_code == writes


def test_the_documentation_says_that_a_key_is_only_written(call: Call, site: Site) -> None:
    schema = call("get", "/api/v1/openapi.json", key="").data
    schemas = schema["components"]["schemas"]

    assert schemas["AssistantModelBody"]["properties"]["api_key"]["writeOnly"] is True
    assert schemas["AssistantModelChange"]["properties"]["api_key"]["writeOnly"] is True
    assert "api_key" not in schemas["AssistantModelOut"]["properties"]
    assert set(schema["paths"][f"{ASSISTANTS}/{{name}}"]) == {"get", "patch", "delete"}
