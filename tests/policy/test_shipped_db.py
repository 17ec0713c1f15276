"""A stored policy follows the shipped one as long as nobody changed it."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import pytest
import redis
from django.db import connection, transaction
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks
from pytest_django.fixtures import DjangoAssertNumQueries

from inference import config_redis
from policy import policies_db, shipped_db
from policy.models import PolicyRecord, RuleRecord
from tests.policy.shipped_policies import NEW, OLD, TOUCHES, content, start, stored
from tests.test_admin import form_of

pytestmark = [pytest.mark.django_db, pytest.mark.database]

STARTS = 4
Told = Callable[[], list[tuple[str, str]]]


@pytest.fixture(autouse=True)
def no_policies() -> None:
    PolicyRecord.objects.all().delete()


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    """The lines that starts wrote: level and text."""
    caplog.set_level(logging.DEBUG, logger="policy.shipped_db")

    def lines() -> list[tuple[str, str]]:
        return [(each.levelname, each.getMessage()) for each in caplog.records]

    return lines


def test_the_first_start_stores_the_shipped_policy_and_remembers_it() -> None:
    record = start(OLD)

    assert stored(record) == OLD
    assert record.is_default
    assert record.shipped_digest == shipped_db.digest_of(OLD)


def test_an_untouched_policy_follows_and_every_process_is_told(
    told: Told,
    valkey: redis.Redis,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    before = start(OLD)
    valkey.hset(config_redis.VERSIONS, "policies", 1)

    with django_capture_on_commit_callbacks(execute=True):
        after = start(NEW)

    assert stored(after) == NEW
    assert (after.pk, after.is_default) == (before.pk, True)
    assert after.version > before.version
    assert after.shipped_digest == shipped_db.digest_of(NEW)
    assert int(valkey.hget(config_redis.VERSIONS, "policies") or 0) > 1
    assert told() == [
        ("INFO", f"The shipped policy has changed: it is default@{after.version} now.")
    ]


def test_an_untouched_policy_follows_again_and_back() -> None:
    versions = [start(shipped).version for shipped in (OLD, NEW, OLD)]

    assert stored(PolicyRecord.objects.get()) == OLD
    assert versions == sorted(set(versions))


def test_a_second_start_writes_nothing(
    told: Told, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    start(OLD)
    start(NEW)
    before, lines = content(), told()

    with django_assert_num_queries(1):
        shipped_db.bring(NEW)

    assert content() == before
    assert told() == lines


def test_a_shipped_threshold_that_is_a_whole_number_is_read_back_as_the_same() -> None:
    whole = replace(OLD, rules=(replace(OLD.rules[0], threshold=1),))
    start(whole)

    assert stored(start(NEW)) == NEW


@pytest.mark.parametrize("threshold", [0.1 + 0.2, 1 / 3, 5e-324, 0.9999999999999999])
def test_a_threshold_is_read_back_to_its_last_digit(threshold: float) -> None:
    start(replace(OLD, rules=(replace(OLD.rules[0], threshold=threshold),)))

    assert stored(start(NEW)) == NEW


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_a_policy_that_somebody_changed_stays_and_the_start_says_so(
    told: Told, touch: Callable[[], object]
) -> None:
    start(OLD)
    touch()
    before = content()

    start(OLD)
    assert told() == []
    version = start(NEW).version

    assert content() == before
    assert told() == [
        (
            "INFO",
            f"The stored default policy default@{version} was changed by hand and keeps its "
            "thresholds, which were set for another model version.",
        )
    ]


def test_a_change_that_is_undone_is_none() -> None:
    start(OLD)
    PolicyRecord.objects.update(fail_mode="flag")
    start(NEW)
    PolicyRecord.objects.update(fail_mode=OLD.fail_mode)

    assert stored(start(NEW)) == NEW


def test_thresholds_that_somebody_set_to_the_shipped_ones_are_not_complained_of(
    told: Told,
) -> None:
    record = start(OLD)
    RuleRecord.objects.all().delete()
    for rule in NEW.rules:
        RuleRecord.objects.create(policy=record, **asdict(rule))
    PolicyRecord.objects.update(fail_mode=NEW.fail_mode)
    before = content()

    start(NEW)

    assert content() == before
    assert told() == []


def test_policies_of_operators_never_change(told: Told) -> None:
    start(OLD)
    PolicyRecord.objects.update(name="ours", shipped_digest="")  # As if typed in.
    other = PolicyRecord.objects.create(name="strict", fail_mode="block")
    RuleRecord.objects.create(
        policy=other, name="r", plugin="moderation", label="threat", threshold=0.5, action="hold"
    )
    before = content()

    with transaction.atomic():
        shipped_db.bring(NEW)

    assert content() == before
    assert told() == []


def test_only_the_shipped_policy_follows_whichever_is_the_default() -> None:
    start(OLD)
    PolicyRecord.objects.update(is_default=False)
    ours = PolicyRecord.objects.create(name="ours", fail_mode="flag", is_default=True)

    after = start(NEW)

    assert (stored(after), after.is_default) == (NEW, False)
    assert PolicyRecord.objects.filter(pk=ours.pk, version=ours.version, is_default=True).exists()
    assert not ours.rules.exists()


def test_a_form_that_is_saved_as_it_was_changes_nothing_and_an_older_one_is_refused(
    admin_client: Client,
) -> None:
    record = start(OLD)
    path = f"/admin/policy/policyrecord/{record.pk}/change/"
    page = admin_client.get(path)
    same = form_of(page)
    assert "shipped_digest" not in same
    assert admin_client.post(path, same).status_code == 302

    assert stored(start(NEW)) == NEW
    refused = admin_client.post(path, same | {"rules-0-threshold": "0.5"})
    assert refused.status_code == 200
    assert refused.context["errors"]
    assert stored(PolicyRecord.objects.get()) == NEW


def test_what_is_set_in_the_admin_stays(admin_client: Client) -> None:
    record = start(OLD)
    path = f"/admin/policy/policyrecord/{record.pk}/change/"
    sent = form_of(admin_client.get(path)) | {"rules-0-threshold": "0.4"}
    assert admin_client.post(path, sent).status_code == 302
    before = content()

    start(NEW)

    assert content() == before


def test_a_change_that_comes_while_a_start_waits_for_its_turn_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start(OLD)

    def wait_for_the_other() -> None:
        RuleRecord.objects.filter(name="spam").update(threshold=0.4)

    monkeypatch.setattr(policies_db, "change_alone", wait_for_the_other)
    start(NEW)

    assert RuleRecord.objects.get(name="spam").threshold == 0.4
    assert PolicyRecord.objects.get().shipped_digest == shipped_db.digest_of(OLD)


@pytest.mark.django_db(transaction=True)
def test_of_starts_at_the_same_time_one_writes(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("The tests' SQLite lives in memory, where a second writer fails at once.")
    first, second = start(OLD).version, start(NEW).version
    before, lines = start(OLD).version, len(told())
    together, take_turns = threading.Barrier(STARTS), policies_db.change_alone

    def wait_until_all_have_read() -> None:
        together.wait(20)
        take_turns()

    def run(number: int) -> None:
        start(NEW)
        connection.close()

    monkeypatch.setattr(policies_db, "change_alone", wait_until_all_have_read)
    with ThreadPoolExecutor(STARTS) as pool:
        list(pool.map(run, range(STARTS)))

    after = PolicyRecord.objects.get()
    assert stored(after) == NEW
    assert after.version == before + (second - first)
    assert len(told()) == lines + 1
