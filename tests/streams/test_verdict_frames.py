"""Who sees what of a verdict."""

from dataclasses import replace

import pytest

from inference.words import Span
from policy.policy import Action
from policy.verdicts import as_json
from streams.verdict_frames import message_parts, verdict_frame
from tests.builders import a_verdict, some_scores


@pytest.mark.parametrize("marked", [False, True])
def test_a_moderator_sees_that_a_model_was_unsure_and_the_author_does_not(marked: bool) -> None:
    stored = as_json(a_verdict(scores=replace(some_scores(), low_confidence=marked)))

    seen = verdict_frame("r1", "m1", stored, moderator=True)

    assert seen.get("low_confidence", False) is marked
    assert "low_confidence" not in verdict_frame("r1", "m1", stored, moderator=False)


def test_a_moderator_sees_which_passage_decided_and_nobody_else_does() -> None:
    verdict = a_verdict(Action.BLOCK)
    (reason,) = verdict.decision.reasons
    placed = replace(verdict.decision, reasons=(replace(reason, passage=Span(1200, 1900)),))
    stored = as_json(replace(verdict, decision=placed))

    (seen,) = verdict_frame("r1", "m1", stored, moderator=True)["reasons"]

    assert seen == {"rule": "threats", "label": "threat", "score": 0.97, "passage": [1200, 1900]}
    assert verdict_frame("r1", "m1", stored, moderator=False)["reasons"] == [{"rule": "threats"}]
    assert "passage" not in "".join(message_parts(verdict.message, stored, moderator=False))
