"""Policies as the admin saved them, kept in memory until one of them changes."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from inference.config_redis import Cached
from policy.defaults import DEFAULT_POLICY
from policy.models import PolicyRecord
from policy.policy import Action, Judges, Policy, Rule


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies: one for each stream that names its own, and one for all others."""

    default: Policy
    by_stream: Mapping[tuple[str, str], Policy]

    def for_stream(self, site: str, stream: str) -> Policy:
        """The policy that judges this stream."""
        return self.by_stream.get((site, stream), self.default)


@functools.cache
def _cached() -> Cached[Policies]:
    return Cached(settings.RTAI_REDIS_URL, ("policies", "sites"), load)


def policies() -> Policies:
    """The policies in force, at most half a second old."""
    return _cached().refresh()


def change_alone() -> None:
    """Lets nobody else change policies until the transaction ends, once it is this one's turn.

    What was read of a policy before may be out of date by then.
    """
    list(PolicyRecord.objects.select_for_update().order_by("pk").values_list("pk"))


def load() -> Policies:
    """Reads all policies from the database; raises django.db.DatabaseError."""
    default, by_stream = DEFAULT_POLICY, {}
    records = PolicyRecord.objects.prefetch_related("rules", "stream_set")
    for record in records:
        policy = from_record(record)
        if record.is_default:
            default = policy
        for stream in record.stream_set.all():
            by_stream[(stream.site_id, stream.name)] = policy
    return Policies(default, by_stream)


def from_record(record: PolicyRecord) -> Policy:
    """The policy that a record and its enabled rules describe."""
    rules = tuple(
        Rule(
            rule.name,
            rule.plugin,
            rule.label,
            rule.threshold,
            Action(rule.action),
            Judges(rule.judges),
        )
        for rule in record.rules.all()
        if rule.enabled
    )
    return Policy(record.name, record.version, rules, Action(record.fail_mode))
