"""The shipped policy in the database, which follows the product as long as nobody changes it.

Thresholds belong to a model: an upgrade that brings another one brings other thresholds, too.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from policy import policies_db
from policy.models import PolicyRecord, RuleRecord
from policy.policy import Policy

FIELDS = ("name", "plugin", "label", "threshold", "action", "judges", "enabled")
"""What a digest covers of a rule; stored digests fit only while these stay as they are."""

logger = logging.getLogger(__name__)


def bring(shipped: Policy) -> None:
    """Stores the shipped policy where there is none, and in the place of an earlier shipped one.

    For each start, within its transaction. A record that somebody changed stays as it is, and
    the log says so.
    """
    digest = digest_of(shipped)
    known = set(PolicyRecord.objects.values_list("shipped_digest", flat=True))
    if not known:
        _write(PolicyRecord(name=shipped.name, is_default=True), shipped)
    elif known - {"", digest}:
        policies_db.change_alone()
        for record in PolicyRecord.objects.exclude(shipped_digest__in=("", digest)):
            _follow(record, shipped)


def digest_of(policy: Policy) -> str:
    """SHA-256, in hexadecimal digits, of a policy's fail mode and of its rules in their order."""
    return _digest(policy.fail_mode, ({**asdict(rule), "enabled": True} for rule in policy.rules))


def _follow(record: PolicyRecord, shipped: Policy) -> None:
    present = _digest(record.fail_mode, record.rules.order_by("pk").values(*FIELDS))
    if present == record.shipped_digest:
        _write(record, shipped)
        record.refresh_from_db(fields=["version"])
        logger.info("The shipped policy has changed: it is %s@%s now.", record, record.version)
    elif present != digest_of(shipped):
        logger.info(
            "The stored default policy %s@%s was changed by hand and keeps its thresholds, "
            "which were set for another model version.",
            record,
            record.version,
        )


def _write(record: PolicyRecord, shipped: Policy) -> None:
    """Makes a record, new or just read, say what the product ships."""
    record.fail_mode, record.shipped_digest = shipped.fail_mode, digest_of(shipped)
    record.save()
    # New rows, as their order counts; and a form that shows the old ones cannot bring them back.
    record.rules.all().delete()
    for rule in shipped.rules:
        RuleRecord.objects.create(policy=record, **asdict(rule))


def _digest(fail_mode: str, rules: Iterable[Mapping[str, Any]]) -> str:
    # JSON has the shortest digits that read back as the same float, which databases keep whole.
    floats = ({**rule, "threshold": float(rule["threshold"])} for rule in rules)
    rows = [[rule[name] for name in FIELDS] for rule in floats]
    content = json.dumps([fail_mode, rows], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
