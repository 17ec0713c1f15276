"""What was shipped when digests came, what a later release ships, and what operators do to it."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from django.db import transaction

from policy import shipped_db
from policy.models import PolicyRecord, RuleRecord
from policy.policies_db import from_record
from policy.policy import Action, Judges, Policy, Rule

MIGRATION = import_module("policy.migrations.0005_shipped_digest")
OLD = Policy(
    "default",
    0,
    tuple(
        Rule(name, plugin, label, threshold, Action(action), Judges(judges))
        for name, plugin, label, threshold, action, judges, _ in MIGRATION.RULES
    ),
    Action(MIGRATION.FAIL_MODE),
)
"""What was shipped when digests came."""
NEW = replace(
    OLD,
    rules=(*(replace(rule, threshold=rule.threshold / 3) for rule in OLD.rules[1:]), OLD.rules[0]),
    fail_mode=Action.BLOCK,
)
"""Other thresholds in another order, and another fail mode."""


def start(shipped: Policy) -> PolicyRecord:
    """What a start of a release with this policy does; the record as it is then."""
    with transaction.atomic():
        shipped_db.bring(shipped)
    return PolicyRecord.objects.get(name="default")


def stored(record: PolicyRecord) -> Policy:
    """What is stored, its rules in their order; the version is left out."""
    found = from_record(record)
    order = list(record.rules.order_by("pk").values_list("name", flat=True))
    rules = sorted(found.rules, key=lambda rule: order.index(rule.name))
    return replace(found, version=0, rules=tuple(rules))


def content() -> list[object]:
    """All that is stored of policies."""
    return [list(PolicyRecord.objects.values()), list(RuleRecord.objects.order_by("pk").values())]


def _reverse() -> None:
    rows = list(RuleRecord.objects.order_by("-pk"))
    RuleRecord.objects.all().delete()
    for row in rows:
        row.pk = None
        row.save(force_insert=True)


def _add() -> None:
    RuleRecord.objects.create(
        policy=PolicyRecord.objects.get(),
        name="mine",
        plugin="moderation",
        label="threat",
        threshold=0.5,
        action="flag",
    )


TOUCHES: dict[str, Callable[[], object]] = {
    "fail mode": lambda: PolicyRecord.objects.update(fail_mode="flag"),
    "name": lambda: RuleRecord.objects.filter(name="spam").update(name="advertising"),
    "plugin": lambda: RuleRecord.objects.filter(name="spam").update(plugin="mine"),
    "label": lambda: RuleRecord.objects.filter(name="spam").update(label="harm"),
    "threshold": lambda: RuleRecord.objects.filter(name="spam").update(threshold=0.5000000001),
    "action": lambda: RuleRecord.objects.filter(name="spam").update(action="flag"),
    "judges": lambda: RuleRecord.objects.filter(name="spam").update(judges="everybody"),
    "disabled": lambda: RuleRecord.objects.filter(name="spam").update(enabled=False),
    "removed": lambda: RuleRecord.objects.filter(name="possible-harm").delete(),
    "all removed": lambda: RuleRecord.objects.all().delete(),
    "added": _add,
    "order": _reverse,
}
