"""What was learnt can be kept in small steps, and another run goes on from there."""

from pathlib import Path

import numpy as np
import pytest

from inference import weights_numpy
from training.decoder_graph import Array
from training.differences import LARGEST, STEP, added, differences


def weights() -> dict[str, Array]:
    dice = np.random.default_rng(4)
    shapes = {"words": (40, 16), "layers.0.attend": (64, 32), "norm": (32,)}
    return {name: dice.standard_normal(size, np.float32) for name, size in shapes.items()}


def learnt() -> dict[str, Array]:
    dice, found = np.random.default_rng(5), weights()
    for name in ("layers.0.attend", "norm"):
        moved = STEP * dice.standard_normal(found[name].shape, np.float32)
        found[name] = found[name] + moved
    return found


def test_weights_come_back_within_half_a_step(tmp_path: Path) -> None:
    weights_numpy.save(tmp_path / "kept.npz", differences(weights(), learnt()))
    found = added(weights(), weights_numpy.read(tmp_path / "kept.npz"))
    for name, weight in learnt().items():
        assert found[name].shape == weight.shape
        assert np.abs(found[name] - weight).max() <= 0.501 * STEP


def test_only_what_moved_is_kept() -> None:
    assert set(differences(weights(), learnt())) == {"layers.0.attend", "norm"}


def test_a_weight_that_moved_far_goes_as_far_as_it_may() -> None:
    far = weights()
    far["norm"] = far["norm"] + 10.0
    moved = added(weights(), differences(weights(), far))["norm"] - weights()["norm"]
    assert moved == pytest.approx(LARGEST * STEP)


@pytest.mark.parametrize("name", ["layers.9.attend", "norm"])
def test_steps_of_another_model_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} moved \(1, 8\), but has the shape"):
        added(weights(), {name: np.ones((1, 8), np.int8)})
