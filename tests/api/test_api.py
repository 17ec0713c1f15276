"""The config API: who may, what is checked, and what takes effect."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from inference import config_redis
from policy.models import PolicyRecord
from streams import keys, tokens_jwt
from streams.limits_redis import read_limits
from streams.models import ApiKey, Ban, RateLimit, Site, Stream
from streams.sessions_redis import RedisSessions
from tests.api.conftest import KEY, Call
from tests.streams.people import a_client

pytestmark = pytest.mark.database
Make = Callable[..., ApiKey]
RULE = {
    "name": "threats",
    "plugin": "moderation",
    "label": "threat",
    "threshold": 0.8,
    "action": "block",
}
CHANGES = 6
"""How many change a policy at the same time."""


@pytest.fixture
def all_scopes(make_key: Make) -> ApiKey:
    return make_key(["*"])


def test_the_documentation_is_there_and_asks_nobody_else() -> None:
    schema = Client().get("/api/v1/openapi.json").json()
    page = Client().get("/api/v1/docs").content.decode()
    assert schema["openapi"].startswith("3.1")
    assert "/api/v1/tokens" in schema["paths"]
    assert "https://" not in page
    assert '"validatorUrl": null' in page
    assert "<script>" not in page


@pytest.mark.parametrize("key", ["", "wrong", "rtai_" + "k" * 39, "é", "\x7f", KEY + "x"])
def test_without_a_valid_key_nothing_is_answered(all_scopes: ApiKey, call: Call, key: str) -> None:
    response = call("get", "/api/v1/sites", key=key.encode().decode("latin-1"))
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.data["code"] == "unauthorized"


@pytest.mark.parametrize(
    "given",
    [
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
    ],
    ids=["revoked", "expired"],
)
def test_a_key_that_is_over_is_none(make_key: Make, call: Call, given: dict[str, Any]) -> None:
    make_key(["*"], **given)
    assert call("get", "/api/v1/sites").status_code == 401


def test_the_keys_of_an_inactive_site_are_none(all_scopes: ApiKey, site: Site, call: Call) -> None:
    Site.objects.update(active=False)
    assert call("get", "/api/v1/sites").status_code == 401


def test_the_use_of_a_key_is_remembered(all_scopes: ApiKey, call: Call) -> None:
    call("get", "/api/v1/sites")
    all_scopes.refresh_from_db()
    assert all_scopes.last_used_at is not None


def test_a_database_that_is_being_written_to_refuses_no_key(
    all_scopes: ApiKey, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(QuerySet, "update", locked)
    assert call("get", "/api/v1/sites").status_code == 200


@pytest.mark.parametrize(
    ("scopes", "request_line", "status"),
    [
        (["sites:read"], "get /api/v1/sites", 200),
        (["sites"], "get /api/v1/sites", 200),
        ([], "get /api/v1/sites", 403),
        (["sites:read"], "patch /api/v1/sites/shop", 403),
        (["sites"], "patch /api/v1/sites/shop", 200),
        (["limits"], "delete /api/v1/limits/user.messages", 403),
        (["limits", "installation"], "delete /api/v1/limits/user.messages", 404),
        (["sites"], "delete /api/v1/sites/shop", 403),
        (["tokens"], "get /api/v1/sessions", 403),
        (["sessions"], "post /api/v1/tokens", 403),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    make_key: Make, call: Call, scopes: list[str], request_line: str, status: int
) -> None:
    make_key(scopes)
    method, path = request_line.split()
    body = {"sub": "x"} if path.endswith("tokens") else {}
    response = call(method, path, None if method in ("get", "delete") else body)
    assert response.status_code == status, response.data


def test_a_key_of_one_site_does_not_reach_another(make_key: Make, call: Call) -> None:
    other = Site.objects.create(slug="other", name="Other", public_key="pk_other")
    Stream.objects.create(site=other, name="den")
    make_key(["sites", "streams", "bans", "sessions"])
    assert [each["slug"] for each in call("get", "/api/v1/sites").data] == ["shop"]
    attempts = [
        ("get", "/api/v1/sites/other", None),
        ("patch", "/api/v1/sites/other", {"name": "Mine"}),
        ("get", "/api/v1/streams?site=other", None),
        ("get", "/api/v1/streams/den?site=other", None),
        ("patch", "/api/v1/streams/den?site=other", {"active": False}),
        ("post", "/api/v1/streams", {"name": "mine", "site": "other"}),
        ("get", "/api/v1/sessions?site=other", None),
        ("post", "/api/v1/bans", {"kind": "user", "subject": "x", "seconds": 9, "site": "other"}),
        ("get", "/api/v1/bans?site=other", None),
    ]
    assert [call(*attempt).status_code for attempt in attempts] == [403] * len(attempts)


def test_a_backend_gets_tokens_for_its_users(all_scopes: ApiKey, call: Call) -> None:
    body = {
        "sub": "u7",
        "name": "Ann",
        "streams": ["lobby", "to-come"],
        "role": "moderator",
        "ttl_s": 60,
    }
    response = call("post", "/api/v1/tokens", body)
    key = settings.RTAI_SECRETS["tokens"]
    claims = tokens_jwt.verify(key, response.data["token"], time.time())
    assert (claims.site, claims.sub, claims.name) == ("shop", "u7", "Ann")
    assert (claims.streams, claims.role) == (("lobby", "to-come"), "moderator")
    assert abs(claims.exp - time.time() - 60) < 10
    simple = call("post", "/api/v1/tokens", {"sub": "u8"})
    claims = tokens_jwt.verify(key, simple.data["token"], time.time())
    assert (claims.streams, claims.role, claims.name) == (("*",), "member", "")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"sub": ""}, 422),
        ({"sub": "x" * 129}, 422),
        ({"sub": "a\u0000b"}, 422),
        ({"sub": 7}, 422),
        ({"sub": "x", "ttl_s": 601}, 422),
        ({"sub": "x", "ttl_s": 0}, 422),
        ({"sub": "x", "ttl_s": "600"}, 422),
        ({"sub": "x", "role": "admin"}, 422),
        ({"sub": "x", "streams": []}, 422),
        ({"sub": "x", "streams": "*"}, 422),
        ({"sub": "x", "streams": ["no spaces"]}, 422),
        ({"sub": "x", "streams": ["*", "lobby"]}, 422),
        ({"sub": "x", "site": "other"}, 422),
        ("{", 400),
        ("[]", 422),
        (b"\xff", 400),
    ],
)
def test_a_malformed_request_for_a_token_is_a_problem(
    all_scopes: ApiKey, call: Call, body: Any, status: int
) -> None:
    response = call("post", "/api/v1/tokens", body)
    assert response.status_code == status, response.data
    assert response["Content-Type"] == "application/problem+json"
    assert response.data["title"]
    assert response.data["code"]


def test_sites_and_streams_are_made_changed_and_removed(all_scopes: ApiKey, call: Call) -> None:
    made = call("post", "/api/v1/sites", {"slug": "blog", "name": "Blog"})
    assert (made.status_code, made.data["public_key"][:3]) == (201, "pk_")
    assert call("post", "/api/v1/sites", {"slug": "blog", "name": "Again"}).status_code == 409
    body = {"allowed_origins": ["https://*.blog.example"], "active": False}
    assert call("patch", "/api/v1/sites/blog", body).data["active"] is False
    PolicyRecord.objects.create(name="strict")
    stream = call("post", "/api/v1/streams", {"name": "talk", "site": "blog", "policy": "strict"})
    assert (stream.status_code, stream.data["policy"]) == (201, "strict")
    path = "/api/v1/streams/talk?site=blog"
    assert call("patch", path, {"policy": None, "deadline_ms": 500}).data["policy"] is None
    assert call("get", path).data["deadline_ms"] == 500
    assert call("delete", path).status_code == 204
    assert call("get", path).status_code == 404
    assert call("delete", "/api/v1/sites/blog").status_code == 204
    assert call("get", "/api/v1/sites/blog").status_code == 404


@pytest.mark.parametrize("member", ["history_frames", "history_s"])
def test_a_stream_without_a_history_is_refused(all_scopes: ApiKey, call: Call, member: str) -> None:
    body = {"name": "talk", "site": "shop"}
    assert call("post", "/api/v1/streams", body | {member: 0}).status_code == 422
    assert call("post", "/api/v1/streams", body | {member: 1}).status_code == 201
    changed = call("patch", "/api/v1/streams/talk?site=shop", {member: 0})
    assert changed.status_code == 422
    assert changed.data["errors"][0]["at"].endswith(member)


@pytest.mark.parametrize(
    "origin", ["shop.example", "https://shop.example/path", "*", "https://*", "ftp://x", "", "a\0"]
)
def test_an_origin_that_no_page_can_have_is_refused(
    all_scopes: ApiKey, call: Call, origin: str
) -> None:
    response = call("patch", "/api/v1/sites/shop", {"allowed_origins": [origin]})
    assert response.status_code == 422
    assert "no origin" in response.data["detail"]


def test_a_misspelt_member_is_never_ignored(all_scopes: ApiKey, call: Call) -> None:
    response = call("patch", "/api/v1/sites/shop", {"activ": False})
    assert response.status_code == 422
    assert response.data["errors"][0]["at"].endswith("activ")


def test_every_change_of_a_policy_gives_it_a_new_version(
    all_scopes: ApiKey, call: Call, valkey: redis.Redis
) -> None:
    PolicyRecord.objects.all().delete()
    made = call("post", "/api/v1/policies", {"name": "p", "rules": [RULE], "is_default": True})
    told = int(valkey.hget(config_redis.VERSIONS, "policies") or 0)
    changed = call("patch", "/api/v1/policies/p", {"rules": [RULE | {"threshold": 0.5}]})
    assert made.status_code == 201
    assert changed.data["rules"][0]["threshold"] == 0.5
    assert changed.data["version"] > made.data["version"]
    assert int(valkey.hget(config_redis.VERSIONS, "policies") or 0) > told
    assert call("delete", "/api/v1/policies/p").status_code == 409
    second = call("post", "/api/v1/policies", {"name": "q", "is_default": True})
    assert second.data["is_default"] is True
    assert call("get", "/api/v1/policies/p").data["is_default"] is False
    assert call("delete", "/api/v1/policies/p").status_code == 204
    for wrong in (
        {"threshold": 1.5},
        {"threshold": "NaN"},
        {"action": "explode"},
        {"name": ""},
        {"judges": "robots"},
    ):
        body = {"name": "s", "rules": [RULE | wrong]}
        assert call("post", "/api/v1/policies", body).status_code == 422


def test_a_rule_may_judge_people_or_assistants_only(all_scopes: ApiKey, call: Call) -> None:
    rules = [RULE, RULE | {"name": "spam", "label": "spam", "judges": "people"}]

    made = call("post", "/api/v1/policies", {"name": "p", "rules": rules}).data
    assert [rule["judges"] for rule in made["rules"]] == ["people", "everybody"]
    again = call("patch", "/api/v1/policies/p", {"rules": made["rules"]}).data
    assert again["rules"] == made["rules"]


def test_changes_of_a_policy_at_the_same_time_each_get_a_version_of_their_own(
    all_scopes: ApiKey, call: Call
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("The tests' SQLite lives in memory, where a second writer fails at once.")
    first = call("post", "/api/v1/policies", {"name": "p"}).data["version"]
    together = threading.Barrier(CHANGES)

    def change(number: int) -> int:
        together.wait(20)
        body = {"fail_mode": ("hold", "block")[number % 2]}
        version = call("patch", "/api/v1/policies/p", body).data["version"]
        connection.close()
        return int(version)

    with ThreadPoolExecutor(CHANGES) as pool:
        versions = sorted(pool.map(change, range(CHANGES)))

    assert versions == list(range(first + 1, first + 1 + CHANGES))


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"name": "threats"}, "two rules named 'threats'"),
        ({"name": "typo", "label": "thret"}, "no label 'thret'; it has harm, toxicity"),
    ],
)
def test_rules_that_cannot_be_are_refused_and_change_nothing(
    all_scopes: ApiKey, call: Call, second: dict[str, str], said: str
) -> None:
    made = call("post", "/api/v1/policies", {"name": "p", "rules": [RULE]}).data
    body = {"rules": [RULE | {"threshold": 0.5}, RULE | second]}

    for refused in (
        call("patch", "/api/v1/policies/p", body),
        call("post", "/api/v1/policies", {"name": "q"} | body),
    ):
        assert refused.status_code == 422
        assert said in refused.data["detail"]
    assert call("get", "/api/v1/policies/p").data == made
    assert call("get", "/api/v1/policies/q").status_code == 404


def test_a_rule_on_a_plugin_that_only_workers_have_is_taken(all_scopes: ApiKey, call: Call) -> None:
    rule = {"name": "r", "plugin": "elsewhere", "label": "x", "threshold": 1, "action": "hold"}
    assert call("post", "/api/v1/policies", {"name": "p", "rules": [rule]}).status_code == 201


def test_a_limit_is_in_force_with_the_answer(
    all_scopes: ApiKey, call: Call, valkey: redis.Redis
) -> None:
    path = "/api/v1/limits/user.messages"
    response = call("put", path, {"rate": "20/10s burst 40"})
    assert response.data == {"name": "user.messages", "rate": "20/10s burst 40", "enabled": True}
    assert str((read_limits(valkey) or {})["user.messages"]) == "20/10s burst 40"
    call("put", path, {"rate": "20/10s", "enabled": False})
    assert read_limits(valkey) == {}
    assert call("delete", path).status_code == 204
    assert not RateLimit.objects.exists()
    bad = call("put", path, {"rate": "quick"})
    assert (bad.status_code, "expected a rate" in bad.data["detail"]) == (422, True)
    assert call("put", "/api/v1/limits/user.naps", {"rate": "1/1s"}).status_code == 422


async def _open(url: str, **given: Any) -> str:
    client = a_client(site="shop", **given)
    store = RedisSessions(url)
    await store.open(client, "g")
    await store.attach(client, "lobby")
    return client.session


def test_sessions_are_listed_and_ended(
    all_scopes: ApiKey, call: Call, valkey: redis.Redis, url: str
) -> None:
    import asyncio

    id = asyncio.run(_open(url))
    found = call("get", "/api/v1/sessions?stream=lobby").data
    assert (found["total"], found["sessions"][0]["id"]) == (1, id)
    assert found["sessions"][0]["streams"] == ["lobby"]
    assert call("get", f"/api/v1/sessions/{id}").data["user"] == "ann"
    assert call("delete", f"/api/v1/sessions/{id}").status_code == 204
    assert call("delete", "/api/v1/sessions/unknown").status_code == 404
    assert call("get", "/api/v1/sessions?limit=0").status_code == 422
    assert call("get", "/api/v1/sessions?offset=-1").status_code == 422


def test_bans_hold_at_once_and_are_lifted(
    all_scopes: ApiKey, call: Call, valkey: redis.Redis
) -> None:
    body = {"kind": "user", "subject": "eve", "seconds": 3600, "reason": "spam"}
    made = call("post", "/api/v1/bans", body)
    assert made.status_code == 201
    assert valkey.zscore(keys.bans("shop"), "user:eve")
    assert [each["subject"] for each in call("get", "/api/v1/bans").data] == ["eve"]
    assert call("delete", f"/api/v1/bans/{made.data['id']}").status_code == 204
    assert not valkey.exists(keys.bans("shop"))
    assert not Ban.objects.exists()
    for wrong in ({"kind": "dog"}, {"seconds": 0}, {"seconds": 10**9}, {"subject": ""}):
        assert call("post", "/api/v1/bans", body | wrong).status_code == 422


def test_an_unknown_model_version_is_not_found(all_scopes: ApiKey, call: Call) -> None:
    assert call("get", "/api/v1/models").status_code == 200
    assert call("post", "/api/v1/models/ghost/1.0.0/activate", {}).status_code == 404


def test_an_unknown_path_or_method_is_an_error(all_scopes: ApiKey, call: Call) -> None:
    assert Client().get("/api/v1/nothing").status_code == 404
    assert Client().put("/api/v1/tokens").status_code in (401, 405)


def test_while_redis_is_away_the_answer_says_so(
    all_scopes: ApiKey, call: Call, settings: Any
) -> None:
    settings.RTAI_REDIS_URL = "unix:///nonexistent/valkey.sock"
    response = call("get", "/api/v1/sessions")
    assert (response.status_code, response.data["code"]) == (503, "overloaded")
    assert json.loads(response.content)["retry_after_ms"] == 1_000
