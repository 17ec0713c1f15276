"""What is counted of verdicts."""

from collections.abc import Sequence

from inference import metrics_prometheus as metrics
from policy.messages import Verdict


def count(verdicts: Sequence[Verdict], decided: Sequence[bool]) -> None:
    """Counts the verdicts that this process decided, and how long they took."""
    for verdict, first in zip(verdicts, decided, strict=True):
        if not first:
            metrics.DROPS.labels(reason="decided_before").inc()
            continue
        metrics.MESSAGES.labels(action=verdict.action.value).inc()
        timing = verdict.timing_ms or {}
        if (total := timing.get("total")) is not None:
            metrics.ACCEPT_TO_VERDICT.observe(total / 1000)
        if (queue := timing.get("queue")) is not None:
            metrics.QUEUE_WAIT.observe(queue / 1000)
