"""The admin: what operators see and change, and that it takes effect."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from inference import connection_redis
from policy.models import PolicyRecord, RuleRecord, VerdictRecord
from streams import api_keys, bans_redis
from streams.limits_redis import read_limits
from streams.models import ApiKey, Ban, RateLimit, Site
from streams.sessions_redis import RedisSessions
from tests.streams.people import a_client

pytestmark = pytest.mark.database
SESSIONS = "/admin/streams/sessionview/"


@pytest.fixture
def site(valkey: redis.Redis, transactional_db: None) -> Site:
    Site.objects.all().delete()
    return Site.objects.create(slug="shop", name="Shop", public_key="pk_shop")


@pytest.fixture
def operator(site: Site) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def open_sessions(url: str, *given: dict[str, Any]) -> list[str]:
    async def run() -> list[str]:
        clients = [a_client(site="shop", **each) for each in given]
        for client in clients:
            await RedisSessions(url).open(client, "g")
            await RedisSessions(url).attach(client, "lobby")
        return [client.session for client in clients]

    return asyncio.run(run())


def form_of(response: Any, **changes: Any) -> dict[str, Any]:
    """The fields that the page's form would send, with changes."""
    admin_form = response.context["adminform"].form
    forms = [admin_form]
    for formset in response.context["inline_admin_formsets"]:
        forms += [formset.formset.management_form, *formset.formset.forms]
    found = {
        form.add_prefix(name): form[name].value()
        for form in forms
        for name in form.fields
        if form[name].value() is not None and form[name].value() is not False
    }
    for name in [name for name in found if name.endswith(("until", "expires_at"))]:
        found |= {f"{name}_0": "", f"{name}_1": ""}
        del found[name]
    return found | changes


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/streams/site/add/",
        "/admin/streams/site/shop/change/",
        "/admin/streams/apikey/add/",
        "/admin/streams/ratelimit/",
        "/admin/streams/ban/add/",
        "/admin/policy/policyrecord/add/",
        "/admin/policy/verdictrecord/",
        "/admin/policy/reviewrecord/",
        SESSIONS,
    ],
)
def test_every_page_opens_and_keeps_to_the_policy(operator: Client, path: str) -> None:
    response = operator.get(path)
    page = response.content.decode()
    assert response.status_code == 200
    assert "RTAI</title>" in page
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    scripts = re.findall(r"<script(?![^>]*(?:src=|application/json))", page)
    assert scripts == []
    assert not re.search(r"<style|\son\w+=|\sstyle=", page)


def test_nobody_else_gets_in(site: Site) -> None:
    assert Client().get(SESSIONS).status_code == 302
    plain = Client()
    plain.force_login(User.objects.create_user("plain", is_staff=True))
    assert plain.get(SESSIONS).status_code == 403


def test_a_sites_origins_are_lines_and_checked(operator: Client, site: Site) -> None:
    path = "/admin/streams/site/shop/change/"
    page = operator.get(path)
    lines = "https://shop.example\r\n\r\n https://*.shop.example "
    saved = operator.post(path, form_of(page, allowed_origins=lines))
    assert saved.status_code == 302, saved.context["errors"]
    site.refresh_from_db()
    assert site.allowed_origins == ["https://shop.example", "https://*.shop.example"]
    refused = operator.post(path, form_of(page, allowed_origins="https://shop.example/page"))
    assert b"is no origin" in refused.content


def test_a_new_site_gets_a_public_key(operator: Client) -> None:
    page = operator.get("/admin/streams/site/add/")
    operator.post("/admin/streams/site/add/", form_of(page, slug="blog", name="Blog"))
    assert Site.objects.get(slug="blog").public_key.startswith("pk_")


def test_a_new_api_key_is_shown_once_and_only_its_hash_is_stored(
    operator: Client, site: Site
) -> None:
    path = "/admin/streams/apikey/add/"
    sent = {"site": "shop", "name": "Backend", "scopes": ["tokens"]}
    shown = operator.post(path, sent | {"expires_at_0": "", "expires_at_1": ""})
    found = re.search(r"rtai_[\w-]{43}", shown.content.decode())
    assert found is not None
    row = ApiKey.objects.get()
    assert (row.digest, row.prefix) == (api_keys.digest(found[0]), found[0][:12])
    assert row.scopes == ["tokens"]
    assert "no-store" in shown["Cache-Control"]
    later = operator.get(f"/admin/streams/apikey/{row.pk}/change/").content.decode()
    assert found[0] not in later
    assert found[0] not in str(operator.cookies)
    chosen = {"action": "revoke", "_selected_action": [row.pk]}
    operator.post("/admin/streams/apikey/", chosen)
    row.refresh_from_db()
    assert row.revoked_at is not None


def test_a_limit_saved_in_the_list_is_in_force(operator: Client, valkey: redis.Redis) -> None:
    row = RateLimit.objects.create(scope="user", resource="messages", rate="20/10s")
    path = "/admin/streams/ratelimit/"
    sent = {
        "form-TOTAL_FORMS": 1,
        "form-INITIAL_FORMS": 1,
        "form-0-id": row.pk,
        "form-0-rate": "2/1m",
        "form-0-enabled": "on",
        "_save": "Save",
    }
    operator.post(path, sent)
    assert str((read_limits(valkey) or {})["user.messages"]) == "2/1m"
    refused = operator.post(path, sent | {"form-0-rate": "quick"})
    assert b"expected a rate such as 20/10s" in refused.content
    operator.post(path, {"action": "lift", "_selected_action": [row.pk]})
    assert read_limits(valkey) == {}
    operator.post(path, {"action": "enforce", "_selected_action": [row.pk]})
    assert read_limits(valkey) != {}


def test_a_cap_on_answers_that_wait_is_in_force(operator: Client, valkey: redis.Redis) -> None:
    cap = {"scope": "site", "resource": "waiting_generations", "rate": "20", "enabled": "on"}

    response = operator.post("/admin/streams/ratelimit/add/", cap)

    assert response.status_code == 302
    assert str((read_limits(valkey) or {})["site.waiting_generations"]) == "20"


def test_a_limit_must_fit_its_name(operator: Client) -> None:
    path = "/admin/streams/ratelimit/add/"
    cap = {"scope": "user", "resource": "open_connections", "rate": "20/10s", "enabled": "on"}
    assert b"expected a number" in operator.post(path, cap).content
    waiting = {"scope": "all", "resource": "waiting_generations", "rate": "1/1s", "enabled": "on"}
    assert b"expected a number" in operator.post(path, waiting).content
    unknown = {"scope": "stream", "resource": "connections", "rate": "20/10s", "enabled": "on"}
    assert b"no limit is named" in operator.post(path, unknown).content
    assert not RateLimit.objects.exists()


def test_every_change_of_a_rule_gives_its_policy_a_new_version(operator: Client) -> None:
    policy = PolicyRecord.objects.create(name="strict")
    rule = RuleRecord.objects.create(
        policy=policy, name="r", plugin="moderation", label="threat", threshold=0.8, action="block"
    )
    policy.refresh_from_db()
    before = policy.version
    path = f"/admin/policy/policyrecord/{policy.pk}/change/"
    sent = form_of(operator.get(path), **{"rules-0-threshold": "0.5", "rules-0-policy": policy.pk})
    assert operator.post(path, sent).status_code == 302
    rule.refresh_from_db()
    policy.refresh_from_db()
    assert rule.threshold == 0.5
    assert policy.version > before


def test_one_policy_is_the_default(operator: Client) -> None:
    PolicyRecord.objects.all().delete()
    first = PolicyRecord.objects.create(name="first", is_default=True)
    second = PolicyRecord.objects.create(name="second")
    path = "/admin/policy/policyrecord/"
    operator.post(path, {"action": "make_default", "_selected_action": [second.pk]})
    assert PolicyRecord.objects.get(is_default=True) == second
    assert operator.post(f"{path}{second.pk}/delete/", {"post": "yes"}).status_code == 403
    assert operator.post(f"{path}{first.pk}/delete/", {"post": "yes"}).status_code == 302


def test_verdicts_are_read_and_not_changed(operator: Client) -> None:
    row = VerdictRecord.objects.create(
        id="0" * 32,
        site="shop",
        stream="lobby",
        author_id="eve",
        text="<script>alert(1)</script>",
        accepted_at=timezone.now(),
        decided_at=timezone.now(),
        action="block",
        reasons=[{"rule": "threats", "label": "threat", "score": 0.97}],
        scores={"moderation": {"threat": 0.97, "insult": 0.1}},
        models_used={"moderation": "guard@1+sha256:ab"},
    )
    path = f"/admin/policy/verdictrecord/{row.pk}/change/"
    page = operator.get(path).content.decode()
    assert "<script>alert" not in page
    assert "threats (threat 0.97)" in page
    assert "guard@1+sha256:ab" in page
    assert operator.post(path, {"action": "allow"}).status_code == 403
    found = operator.get("/admin/policy/verdictrecord/?q=alert&action__exact=block")
    assert "&lt;script&gt;" in found.content.decode()
    assert b"0 results" in operator.get("/admin/policy/verdictrecord/?q=nothing").content


def test_live_sessions_are_listed_filtered_and_paged(
    operator: Client, site: Site, url: str
) -> None:
    open_sessions(url, *({"user": f"user-{number}", "name": "<b>"} for number in range(60)))
    first = operator.get(SESSIONS).content.decode()
    assert "60 live sessions" in first
    assert "page 1 of 2" in first
    assert first.count('name="session"') == 50
    assert "<b>" not in first
    assert operator.get(f"{SESSIONS}?page=2").content.count(b'name="session"') == 10
    assert b"1 live session<" in operator.get(f"{SESSIONS}?user=user-7").content
    assert b"user-7" in operator.get(f"{SESSIONS}?user=user-7&stream=lobby").content
    assert b"No live session matches" in operator.get(f"{SESSIONS}?stream=none").content
    for odd in ("page=-1", "page=x", "page=99999999999999", "site=none", "user=%00", "page=²"):
        assert operator.get(f"{SESSIONS}?{odd}").status_code == 200


def test_a_page_past_the_last_shows_the_last(operator: Client, url: str) -> None:
    open_sessions(url, *({"user": f"user-{number}"} for number in range(51)))
    for page in ("3", "99999999999999"):
        found = operator.get(f"{SESSIONS}?page={page}").content.decode()
        assert "page 2 of 2" in found
        assert found.count('name="session"') == 1
    assert b"page 1 of 2" in operator.get(f"{SESSIONS}?page=0").content


@pytest.mark.parametrize(
    ("action", "banned", "hours"),
    [
        ("user:1h", ("user", "eve"), 1),
        ("user:24h", ("user", "eve"), 24),
        ("address:7d", ("address", "a9"), 168),
    ],
)
def test_a_session_is_banned_for_a_time(
    operator: Client, url: str, action: str, banned: tuple[str, str], hours: int
) -> None:
    (id,) = open_sessions(url, {"user": "eve", "address": "a9"})
    operator.post(SESSIONS, {"action": action, "session": [id]})
    ban = Ban.objects.get()
    assert (ban.kind, ban.subject) == banned
    assert abs(ban.until - timezone.now() - timedelta(hours=hours)) < timedelta(minutes=1)
    assert "root" in ban.reason
    assert bans_redis.ban_end(connection_redis.client(url), "shop", *banned)


def test_a_session_is_disconnected(operator: Client, valkey: redis.Redis, url: str) -> None:
    ids = open_sessions(url, {}, {})
    said = operator.post(SESSIONS, {"action": "disconnect", "session": ids}, follow=True)
    assert b"Disconnected 2 sessions." in said.content
    none = operator.post(SESSIONS, {"action": "disconnect", "session": ["gone"]}, follow=True)
    assert b"No live session was chosen" in none.content


def test_acting_takes_a_permission_and_a_token_of_the_form(site: Site, url: str) -> None:
    (id,) = open_sessions(url, {})
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_sessionview"))
    client = Client()
    client.force_login(viewer)
    assert client.get(SESSIONS).status_code == 200
    sent = {"action": "disconnect", "session": [id]}
    assert client.post(SESSIONS, sent).status_code == 403
    viewer.user_permissions.add(Permission.objects.get(codename="change_sessionview"))
    assert client.post(SESSIONS, sent).status_code == 302
    assert client.post(SESSIONS, {"action": "user:1h", "session": [id]}).status_code == 403
    assert client.post(SESSIONS, {"action": "explode", "session": [id]}).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(viewer)
    assert strict.post(SESSIONS, sent).status_code == 403


def test_without_redis_the_page_says_so(operator: Client, settings: Any) -> None:
    settings.RTAI_REDIS_URL = "unix:///nonexistent/valkey.sock"
    assert b"Redis does not answer" in operator.get(SESSIONS).content
    sent = {"action": "disconnect", "session": ["x"]}
    assert b"Redis is away" in operator.post(SESSIONS, sent, follow=True).content
