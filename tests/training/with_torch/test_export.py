"""A model whose bytes are far from its network is not exported."""

from __future__ import annotations

import argparse

import numpy as np
import pytest

from tests.training.with_torch import REASON

torch = pytest.importorskip("torch", reason=REASON)

from training import export  # noqa: E402
from training.encoder import Network  # noqa: E402
from training.graph import Ending  # noqa: E402
from training.small_maps import SmallMap  # noqa: E402

HEADS = 3
ASKED = argparse.Namespace(levels=63)
ENDING = Ending(np.ones(HEADS, np.float32), np.float32([2.0, 0.0, -2.0]), exclusive=True)


@pytest.fixture
def network() -> Network:
    """One layer with weights that differ from text to text."""
    torch.manual_seed(3)
    made = Network(HEADS, layers=1).eval()
    with torch.no_grad():
        made.heads.weight.mul_(4.0)
    return made


@pytest.fixture
def tokens() -> list[list[int]]:
    dice = np.random.default_rng(1)
    return [
        [101, *dice.integers(1000, 9000, dice.integers(3, 12)).tolist(), 102] for _ in range(60)
    ]


def test_bytes_that_judge_alike_are_exported(network: Network, tokens: list[list[int]]) -> None:
    assert export.convert(network, ENDING, tokens, ASKED).graph.output[0].name == "probabilities"


def test_bytes_that_judge_otherwise_are_refused(
    network: Network, tokens: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Network(HEADS, layers=1).eval()
    with torch.no_grad():
        other.heads.weight.mul_(4.0)

    def maps_of_another(found: Network, *rest: object) -> dict[str, SmallMap]:
        return usual(other, *rest)  # type: ignore[arg-type]

    usual = export.small_maps
    monkeypatch.setattr(export, "small_maps", maps_of_another)
    with pytest.raises(AssertionError, match="too far off"):
        export.convert(network, ENDING, tokens, ASKED)
