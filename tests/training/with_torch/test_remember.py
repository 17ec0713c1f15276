"""What the old model said is remembered of texts, and not of bare words."""

from __future__ import annotations

import numpy as np
import pytest

from tests.training.with_torch import REASON

torch = pytest.importorskip("torch", reason=REASON)

from training.encoder import Network  # noqa: E402
from training.fit import Encoded, predict  # noqa: E402
from training.remember import SHORTEST, remembered, together  # noqa: E402
from training.teacher import ALONE, TRUST  # noqa: E402

HEADS = 3


def texts() -> Encoded:
    tokens = [[101, 2000, 102], [101, *range(2000, 2000 + SHORTEST - 2), 102]]
    known = np.float32([[1.0, 0.0, 1.0]] * 2)
    return Encoded(tokens, np.float32([[1.0, 0.0, 0.0]] * 2), known)


def test_a_bare_word_keeps_its_labels_and_a_text_moves_half_way_to_the_old_opinion() -> None:
    torch.manual_seed(3)
    old, data = Network(HEADS, layers=1), texts()
    opinion = 1.0 / (1.0 + np.exp(-predict(old, data.tokens)[1]))
    found = remembered(data, old)
    assert found.targets[0].tolist() == data.targets[0].tolist()
    assert found.weights[0].tolist() == data.weights[0].tolist()
    half = (1.0 - TRUST) * data.targets[1] + TRUST * opinion
    expected = [half[0], opinion[1], half[2]]
    assert np.allclose(found.targets[1], expected, atol=1e-6)
    assert np.allclose(found.weights[1], [1.0, ALONE, 1.0])


def test_two_sets_become_one() -> None:
    data = texts()
    both = together(data, data)
    assert both.tokens == [*data.tokens, *data.tokens]
    assert both.targets.tolist() == data.targets.tolist() * 2
    assert both.weights.shape == (4, HEADS)
