"""Rare heads that no set speaks of are assumed to be as rare as they were found."""

import numpy as np
import pytest

from tests.training.with_torch import REASON
from training.labels import MODERATION_HEADS
from training.rows import Row

pytest.importorskip("torch", reason=REASON)

from training.fit import Encoded
from training.unsaid import PEOPLE, SHARES, assumed

SEXUAL, INSULT = (MODERATION_HEADS.index(head) for head in ("sexual", "insult"))


def filled(source: str, known: float = 0.0) -> tuple[Encoded, Encoded]:
    size = (1, len(MODERATION_HEADS))
    weights = np.zeros(size, dtype=np.float32)
    weights[0, SEXUAL] = known
    data = Encoded([[101, 102]], np.ones(size, dtype=np.float32), weights)
    return data, assumed(data, [Row("a text", {}, source)], 0.2)


def test_what_a_set_says_stays() -> None:
    data, found = filled("davidson", known=1.0)
    assert found.targets[0, SEXUAL] == data.targets[0, SEXUAL]
    assert found.weights[0, SEXUAL] == 1.0


def test_an_unknown_rare_head_is_as_rare_as_it_was_found() -> None:
    _, found = filled("swapped.davidson")
    assert found.targets[0, SEXUAL] == np.float32(SHARES["sexual"])
    assert found.weights[0, SEXUAL] == np.float32(0.2)


def test_a_head_that_goes_with_abuse_stays_unknown() -> None:
    _, found = filled("davidson")
    assert found.weights[0, INSULT] == 0.0


def test_requests_to_assistants_stay_unknown() -> None:
    data, found = filled("aart")
    assert np.array_equal(found.weights, data.weights)
    assert "aart" not in PEOPLE
