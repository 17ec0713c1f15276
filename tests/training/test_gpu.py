"""The variant of a model for GPUs, here on a processor, where it is only slower."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from inference import versions
from inference.runtime_onnx import OnnxRuntime
from inference.types import Scores
from policy.defaults import DEFAULT_POLICY
from policy.policy import decide
from training.gpu import convert
from training.labelled import read

MODELS = Path(__file__).parents[2] / "plugins" / "models"
(GUARD,) = MODELS.glob("guard-mini-*")
TEXTS = [each.text for each in read()][::4]
"""Some of every theme."""


@pytest.fixture(scope="module")
def variant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gpu") / "guard"
    convert(GUARD, out)
    return out


def scores(folder: Path) -> NDArray[np.float64]:
    return np.array(OnnxRuntime(folder, versions.load(folder)).run(TEXTS))


def test_the_variant_is_a_version_of_its_own_below_the_largest_file(variant: Path) -> None:
    manifest, shipped = versions.load(variant), versions.load(GUARD)

    assert manifest.ref == f"{shipped.ref}-gpu"
    assert manifest.digest != shipped.digest
    assert (variant / "model.onnx").stat().st_size < 50_000_000


def test_the_variant_decides_as_the_shipped_model_does(variant: Path) -> None:
    labels = versions.load(GUARD).labels

    def actions(found: NDArray[np.float64]) -> list[str]:
        return [
            decide(
                Scores({"moderation": dict(zip(labels, row, strict=True))}, {}), DEFAULT_POLICY
            ).action.value
            for row in found.tolist()
        ]

    shipped, found = scores(GUARD), scores(variant)

    assert actions(found) == actions(shipped)
    assert np.abs(found - shipped).max() < 1e-5


def test_the_variant_has_standard_operators_only(variant: Path) -> None:
    model = onnx.load(str(variant / "model.onnx"))

    assert {each.domain for each in model.opset_import} == {""}
    assert {node.domain for node in model.graph.node} == {""}


def test_a_model_without_bytes_is_refused(tmp_path: Path) -> None:
    shape: list[str | int | None] = ["batch", 4]
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "plain",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        )
    )
    onnx.save(model, str(tmp_path / "model.onnx"))
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {}, "version": "1"}))

    with pytest.raises(ValueError, match="no bytes"):
        convert(tmp_path, tmp_path / "out")
