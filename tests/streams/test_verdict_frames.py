"""Who sees what of a verdict."""

from dataclasses import replace

import pytest

from policy.verdicts import as_json
from streams.verdict_frames import verdict_frame
from tests.builders import a_verdict, some_scores


@pytest.mark.parametrize("marked", [False, True])
def test_a_moderator_sees_that_a_model_was_unsure_and_the_author_does_not(marked: bool) -> None:
    stored = as_json(a_verdict(scores=replace(some_scores(), low_confidence=marked)))

    seen = verdict_frame("r1", "m1", stored, moderator=True)

    assert seen.get("low_confidence", False) is marked
    assert "low_confidence" not in verdict_frame("r1", "m1", stored, moderator=False)
