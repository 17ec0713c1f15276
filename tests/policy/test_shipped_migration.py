"""A policy of before that nobody changed is known as shipped once the tables are new."""

from collections.abc import Callable, Iterator

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from policy import shipped_db
from policy.models import PolicyRecord
from tests.policy.shipped_policies import MIGRATION, NEW, OLD, TOUCHES, content, start, stored

pytestmark = [pytest.mark.django_db, pytest.mark.database]

BEFORE = ("policy", "0004_rules_judge_some")


@pytest.fixture(autouse=True)
def no_policies() -> None:
    PolicyRecord.objects.all().delete()


@pytest.fixture
def database_of_before(transactional_db: None) -> Iterator[None]:
    """A database in which policies have no digest yet."""
    MigrationExecutor(connection).migrate([BEFORE])
    yield
    _upgrade()


def _upgrade() -> None:
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def _fill() -> None:
    """Stores what earlier versions shipped, into a database of before."""
    state = MigrationExecutor(connection).loader.project_state([BEFORE])
    policies = state.apps.get_model("policy", "PolicyRecord").objects
    rules = state.apps.get_model("policy", "RuleRecord").objects
    record = policies.create(name="default", fail_mode="hold", is_default=True, version=19)
    for row in MIGRATION.RULES:
        rules.create(policy=record, **dict(zip(MIGRATION.FIELDS, row, strict=True)))


def test_an_installation_of_before_follows_after_its_upgrade(database_of_before: None) -> None:
    _fill()

    _upgrade()

    record = PolicyRecord.objects.get()
    assert (stored(record), record.version) == (OLD, 19)
    assert record.shipped_digest == shipped_db.digest_of(OLD)
    assert stored(start(NEW)) == NEW


def test_a_fresh_database_stays_empty() -> None:
    MIGRATION.recognise(apps, None)

    assert not PolicyRecord.objects.exists()


@pytest.mark.parametrize(
    "touch",
    [
        *TOUCHES.values(),
        lambda: PolicyRecord.objects.update(name="ours"),
        lambda: PolicyRecord.objects.update(is_default=False),
    ],
    ids=[*TOUCHES, "another name", "not the default"],
)
def test_a_policy_of_before_that_is_not_what_was_shipped_is_an_operators(
    touch: Callable[[], object],
) -> None:
    start(OLD)
    PolicyRecord.objects.update(shipped_digest="")
    touch()
    before = content()

    MIGRATION.recognise(apps, None)

    assert content() == before
