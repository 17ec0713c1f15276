"""Policies as the admin saved them."""

from dataclasses import replace
from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.test import Client

from policy import policies_db
from policy.defaults import DEFAULT_POLICY
from policy.models import PolicyRecord, RuleRecord
from policy.policies_db import load
from policy.policy import Action, Judges, Rule
from rtai_project import first_run
from rtai_project.first_run import Wanted
from streams.models import Site, Stream

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture(autouse=True)
def no_policies() -> None:
    PolicyRecord.objects.all().delete()


def a_policy(name: str, *, is_default: bool = False) -> PolicyRecord:
    record = PolicyRecord.objects.create(name=name, is_default=is_default, fail_mode="block")
    RuleRecord.objects.create(
        policy=record,
        name="threats",
        plugin="moderation",
        label="threat",
        threshold=0.9,
        action="block",
    )
    return record


def test_without_any_policy_the_built_in_one_judges() -> None:
    assert load().for_stream("demo", "lobby") == DEFAULT_POLICY


def test_a_rule_on_a_label_that_its_plugin_does_not_have_is_not_valid() -> None:
    record = PolicyRecord.objects.create(name="p")
    rule = RuleRecord(
        policy=record, name="r", plugin="moderation", label="threat", threshold=0.5, action="hold"
    )
    rule.full_clean()
    rule.label = "thret"
    with pytest.raises(ValidationError, match="no label"):
        rule.full_clean()


def test_the_default_policy_judges_streams_without_their_own() -> None:
    a_policy("strict", is_default=True)

    policy = load().for_stream("demo", "lobby")

    assert policy.name == "strict"
    assert policy.fail_mode == Action.BLOCK
    assert policy.rules == (Rule("threats", "moderation", "threat", 0.9, Action.BLOCK),)


def test_a_stream_may_name_its_own_policy() -> None:
    a_policy("strict", is_default=True)
    site = Site.objects.create(slug="news", name="News", public_key="pk_news")
    Stream.objects.create(site=site, name="sports", policy=a_policy("loose"))

    policies = load()

    assert policies.for_stream("news", "sports").name == "loose"
    assert policies.for_stream("news", "other").name == "strict"


def test_a_rule_judges_everybody_unless_it_says_otherwise() -> None:
    a_policy("strict", is_default=True)
    assert [rule.judges for rule in load().default.rules] == [Judges.EVERYBODY]

    for judges in Judges:
        RuleRecord.objects.update(judges=judges)
        assert [rule.judges for rule in load().default.rules] == [judges]


def test_a_rule_that_judges_somebody_unknown_is_not_valid() -> None:
    a_policy("strict")
    rule = RuleRecord.objects.get()
    rule.judges = "robots"

    with pytest.raises(ValidationError, match="'robots' is not a valid choice"):
        rule.full_clean()


SPARED = ("illicit", "spam")
"""Rules whose threshold was 0.8 when the default policy came to spare assistants."""
LATER = "self-harm-answers"
"""The rule that came after that."""


@pytest.mark.parametrize("changed", [False, True])
def test_a_default_policy_that_nobody_changed_becomes_what_a_fresh_one_is(
    changed: bool,
) -> None:
    migration = import_module("policy.migrations.0004_rules_judge_some")
    first_run.prepare(Wanted("admin", "", "", demo=True, origins=[]))
    RuleRecord.objects.filter(judges="assistants").delete()
    RuleRecord.objects.update(judges="everybody")
    RuleRecord.objects.filter(name__in=SPARED).update(threshold=0.8)
    PolicyRecord.objects.update(version=1 + RuleRecord.objects.count())
    if changed:
        RuleRecord.objects.get(name="toxic").save()
    before = load().default

    migration.spare_assistants(apps, None)
    migration.spare_assistants(apps, None)

    after = load().default
    if changed:
        assert after == before
    else:
        assert after.version == before.version + 1
        assert set(after.rules) == {then(r) for r in DEFAULT_POLICY.rules if r.name != LATER}


def then(rule: Rule) -> Rule:
    """The rule as it was when assistants came to be spared."""
    if rule.name in SPARED:
        return replace(rule, threshold=0.8)
    return replace(rule, judges=Judges.EVERYBODY) if rule.label == "self_harm" else rule


def test_a_disabled_rule_does_not_judge() -> None:
    a_policy("strict", is_default=True)
    RuleRecord.objects.update(enabled=False)

    assert load().default.rules == ()


def test_a_form_saved_after_another_change_gives_a_newer_version(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = a_policy("strict")

    def wait_for_the_other() -> None:
        PolicyRecord.objects.filter(pk=read.pk).update(version=7, is_default=True)

    monkeypatch.setattr(policies_db, "change_alone", wait_for_the_other)
    inline = {f"rules-{name}_FORMS": "0" for name in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    form = {"name": "strict", "fail_mode": "flag", **inline}
    answer = admin_client.post(f"/admin/policy/policyrecord/{read.pk}/change/", form)
    assert answer.status_code == 302

    saved = PolicyRecord.objects.get(pk=read.pk)
    assert (saved.version, saved.fail_mode, saved.is_default) == (8, "flag", True)


def test_a_policy_that_became_the_default_meanwhile_is_not_removed(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = a_policy("strict")

    def wait_for_the_other() -> None:
        PolicyRecord.objects.filter(pk=read.pk).update(is_default=True)

    monkeypatch.setattr(policies_db, "change_alone", wait_for_the_other)
    admin_client.post(f"/admin/policy/policyrecord/{read.pk}/delete/", {"post": "yes"})

    assert PolicyRecord.objects.filter(pk=read.pk).exists()
