"""A shipped model can be read back into the weights that it came from."""

from pathlib import Path

import numpy as np
import pytest

from training.start_onnx import NORMS, PARTS, constants_of, restore

MODELS = Path(__file__).parents[2] / "plugins" / "models"
FOLDERS = sorted(MODELS.glob("guard-mini-*")) + sorted(MODELS.glob("sentiment-mini-*"))
HIDDEN, INNER, LAYERS = 384, 1536, 6
SHAPES = {
    "attend": (3 * HIDDEN, HIDDEN),
    "attended": (HIDDEN, HIDDEN),
    "widen": (INNER, HIDDEN),
    "narrow": (HIDDEN, INNER),
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_weight_of_the_network_comes_back_in_its_shape(folder: Path) -> None:
    found = restore(constants_of(folder / "model.onnx"))

    for number in range(LAYERS):
        for part in PARTS:
            weight = found.pop(f"layers.{number}.{part}.weight")
            assert weight.shape == SHAPES[part]
            assert found.pop(f"layers.{number}.{part}.bias").shape == SHAPES[part][:1]
            assert (np.abs(weight).max(axis=1) > 0).all()
        for norm in NORMS:
            assert found.pop(f"layers.{number}.{norm}.weight").shape == (HIDDEN,)
            assert found.pop(f"layers.{number}.{norm}.bias").shape == (HIDDEN,)
    assert found.pop("words.weight").shape == (30522, HIDDEN)
    assert found.pop("places.weight").shape == (512, HIDDEN)
    assert found.pop("heads.weight").shape == (len(found.pop("heads.bias")), 3 * HIDDEN)
    assert set(found) == {"words_norm.weight", "words_norm.bias"}
