"""Who else hears of verdicts."""

from collections.abc import Sequence

from policy.messages import Verdict
from policy.sinks import hand_over
from tests.builders import a_verdict


def test_a_sink_that_fails_stops_no_other() -> None:
    taken: list[Verdict] = []
    failed: list[str] = []
    verdict = a_verdict()

    def broken(verdicts: Sequence[Verdict]) -> None:
        raise RuntimeError("away")

    hand_over([verdict], {"broken": broken, "whole": taken.extend}, failed.append)

    assert taken == [verdict]
    assert failed == ["broken"]


def test_no_sink_is_called_for_nothing() -> None:
    calls: list[Sequence[Verdict]] = []

    hand_over([], {"any": calls.append}, lambda name: None)

    assert calls == []
