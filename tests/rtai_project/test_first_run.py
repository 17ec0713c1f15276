"""The first start makes what is needed; later starts leave what the operator changed."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from django.contrib.auth import authenticate, get_user_model

from generation.models import AssistantRecord
from policy import policies_db
from policy.defaults import DEFAULT_POLICY
from policy.models import RuleRecord
from rtai_project import first_run
from rtai_project.first_run import Wanted
from streams import api_keys, limits
from streams.models import ApiKey, RateLimit, Site, Stream

pytestmark = [pytest.mark.django_db, pytest.mark.database]

WANTED = Wanted("admin", "", "", demo=True, origins=["http://127.0.0.1:8000"])


def test_the_first_start_makes_all_that_a_chat_needs() -> None:
    made = first_run.prepare(WANTED)
    assert made.is_first
    assert authenticate(username="admin", password=made.admin_password)
    site = Site.objects.get(slug="demo", public_key="pk_demo", active=True)
    assert site.allowed_origins == ["http://127.0.0.1:8000"]
    assert Stream.objects.filter(site=site, name="lobby").exists()
    assert made.api_key is not None
    key = ApiKey.objects.get(digest=api_keys.digest(made.api_key))
    assert made.api_key.startswith(key.prefix)
    assert set(policies_db.load().default.rules) == set(DEFAULT_POLICY.rules)
    assert RateLimit.objects.count() == len(limits.DEFAULTS)


def test_later_starts_make_nothing_and_tell_no_secret() -> None:
    first_run.prepare(WANTED)
    RuleRecord.objects.update(threshold=0.123)
    RateLimit.objects.exclude(scope="user").delete()
    made = first_run.prepare(WANTED)
    assert (made.is_first, made.admin_password, made.api_key) == (False, None, None)
    assert set(RuleRecord.objects.values_list("threshold", flat=True)) == {0.123}
    assert set(RateLimit.objects.values_list("scope", flat=True)) == {"user"}
    assert get_user_model().objects.count() == 1


def test_a_later_release_brings_its_policy_unless_the_stored_one_was_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first_run.prepare(WANTED)
    rules = tuple(replace(rule, threshold=0.123) for rule in DEFAULT_POLICY.rules)
    monkeypatch.setattr(first_run, "DEFAULT_POLICY", replace(DEFAULT_POLICY, rules=rules))
    first_run.prepare(WANTED)
    assert set(policies_db.load().default.rules) == set(rules)
    RuleRecord.objects.filter(name="spam").delete()
    before = policies_db.load().default
    monkeypatch.setattr(first_run, "DEFAULT_POLICY", DEFAULT_POLICY)
    first_run.prepare(WANTED)
    assert policies_db.load().default == before


def test_a_given_password_and_key_are_used_and_never_shown() -> None:
    key = "k" * 40
    made = first_run.prepare(replace(WANTED, admin_password="a-good-password", api_key=key))
    assert authenticate(username="admin", password="a-good-password")
    assert ApiKey.objects.filter(digest=api_keys.digest(key)).exists()
    shown = "\n".join(first_run.secret_lines(made, key))
    assert "a-good-password" not in shown
    assert key not in shown


def test_another_given_key_takes_the_place_of_the_first() -> None:
    first_run.prepare(replace(WANTED, api_key="a" * 32))
    first_run.prepare(replace(WANTED, api_key="b" * 32))
    first_run.prepare(replace(WANTED, api_key="b" * 32))
    assert [each.digest for each in ApiKey.objects.all()] == [api_keys.digest("b" * 32)]


def test_a_given_key_opens_the_first_site_whichever_that_is() -> None:
    given = "c" * 40
    for demo in (True, False, True, False):
        made = first_run.prepare(replace(WANTED, api_key=given, demo=demo))
        key = ApiKey.objects.get(digest=api_keys.digest(given))
        assert (key.site, key.name) == (made.site, first_run.BOOTSTRAP_KEY)
        assert made.site.active


def test_a_given_key_that_somebody_made_for_a_site_stays_there() -> None:
    given = "d" * 40
    other = Site.objects.create(slug="shop", name="Shop", public_key="pk_shop")
    ApiKey.objects.create(site=other, name="till", prefix="d" * 12, digest=api_keys.digest(given))
    first_run.prepare(replace(WANTED, api_key=given))

    assert ApiKey.objects.get(digest=api_keys.digest(given)).site == other


def test_the_demo_page_works_on_another_port_too() -> None:
    first_run.prepare(WANTED)
    first_run.prepare(replace(WANTED, origins=["http://localhost:9000"]))
    assert Site.objects.get(slug="demo").allowed_origins == [
        "http://127.0.0.1:8000",
        "http://localhost:9000",
    ]


def test_without_the_demo_its_public_key_opens_nothing() -> None:
    first_run.prepare(WANTED)
    made = first_run.prepare(replace(WANTED, demo=False))
    assert not Site.objects.get(slug="demo").active
    assert made.site.slug == "main"
    assert made.site.public_key not in ("pk_demo", "")
    places = first_run.place_lines(made, "http://127.0.0.1:8000", demo=False)
    assert not any("/demo/" in line for line in places)


def test_the_file_of_secrets_is_for_this_user_alone(tmp_path: Path) -> None:
    (tmp_path / first_run.SECRETS_FILE).write_text("old")
    path = first_run.write_secrets(tmp_path, ["API key         x"])
    assert path.read_text() == "API key         x\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_first_assistant_has_a_system_prompt_that_the_operator_may_change() -> None:
    first_run.prepare(WANTED)
    assistant = AssistantRecord.objects.get()
    assert assistant.system_prompt == first_run.SYSTEM_PROMPT
    assert assistant.temperature == first_run.TEMPERATURE
    assert assistant.top_p == first_run.TOP_P
    assert assistant.max_tokens == first_run.MAX_TOKENS
    AssistantRecord.objects.update(system_prompt="Speak like a pirate.", temperature=1.0)
    first_run.prepare(WANTED)
    assistant.refresh_from_db()
    assert (assistant.system_prompt, assistant.temperature) == ("Speak like a pirate.", 1.0)
