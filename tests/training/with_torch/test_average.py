"""A run's weights, averaged with those it started from."""

from __future__ import annotations

import pytest

from tests.training.with_torch import REASON

torch = pytest.importorskip("torch", reason=REASON)

from training.average import go_back  # noqa: E402
from training.encoder import Network  # noqa: E402
from training.labels import MODERATION_HEADS  # noqa: E402


def test_so_much_of_a_run_is_taken_and_of_some_heads_nothing() -> None:
    old, network = (Network(len(MODERATION_HEADS), layers=1) for _ in "ab")
    before = {name: value.clone() for name, value in old.state_dict().items()}
    run = {name: value.clone() for name, value in network.state_dict().items()}
    go_back(network, before, 0.8, ["spam"])

    spam = MODERATION_HEADS.index("spam")
    for name, value in network.state_dict().items():
        expected = before[name].lerp(run[name], 0.8)
        if name.startswith("heads."):
            expected[spam] = before[name][spam]
        torch.testing.assert_close(value, expected)
