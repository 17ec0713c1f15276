"""Makes a GPU's variant of a shipped model: `python -m training.halves --folder DIR --out DIR`.

Bytes are a processor's way to be fast; a GPU multiplies half-precision matrices faster, and bytes
hardly at all. The variant takes the weights that the bytes stand for, drops the rounding of what
flows between layers, and multiplies in half precision; all else stays in single precision.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

SMALL = (np.int8, np.uint8)


class Rewriter:
    """A graph on its way from bytes to halves."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._constants = {
            each.name: numpy_helper.to_array(each) for each in model.graph.initializer
        }
        self._same: dict[str, str] = {}
        self._nodes: list[onnx.NodeProto] = []

    def rewritten(self) -> onnx.ModelProto:
        """The model in halves; raises ValueError if there are no bytes in it."""
        before = len(self._constants)
        for node in self._model.graph.node:
            self._take(node)
        if not self._same:
            raise ValueError(f"The graph with {before} constants holds no bytes.")
        graph = self._model.graph
        wanted = {name for node in self._nodes for name in node.input}
        constants = [
            numpy_helper.from_array(value, name)
            for name, value in self._constants.items()
            if name in wanted
        ]
        body = helper.make_graph(self._nodes, graph.name, graph.input, graph.output, constants)
        model = helper.make_model(
            body, opset_imports=self._model.opset_import, producer_name="training"
        )
        model.ir_version = self._model.ir_version
        onnx.checker.check_model(model, full_check=True)
        return model

    def _take(self, node: onnx.NodeProto) -> None:
        inputs = [self._same.get(name, name) for name in node.input]
        if node.op_type == "QuantizeLinear":
            self._same[node.output[0]] = inputs[0]
        elif node.op_type == "DequantizeLinear" and inputs[0] in self._constants:
            self._weights(node, inputs)
        elif node.op_type == "DequantizeLinear":
            self._same[node.output[0]] = inputs[0]
        elif node.op_type == "MatMul" and inputs[1] in self._constants:
            self._multiply(node, inputs)
        else:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            del copy.input[:]
            copy.input.extend(inputs)
            self._nodes.append(copy)

    def _weights(self, node: onnx.NodeProto, inputs: list[str]) -> None:
        """Bytes and a scale for each column become numbers."""
        small, scale = self._constants[inputs[0]], self._constants[inputs[1]]
        if small.dtype not in SMALL or np.any(self._constants[inputs[2]]):
            raise ValueError(f"{node.name} holds {small.dtype} with a zero point of its own.")
        name = f"{node.name}_whole"
        self._constants[name] = small.astype(np.float32) * scale
        self._same[node.output[0]] = name

    def _multiply(self, node: onnx.NodeProto, inputs: list[str]) -> None:
        """A product in half precision, whose result is single again."""
        half = f"{inputs[1]}_half"
        self._constants[half] = _halved(self._constants[inputs[1]])
        narrow, product = f"{node.name}_narrow", f"{node.name}_product"
        self._nodes += [
            helper.make_node("Cast", [inputs[0]], [narrow], narrow, to=TensorProto.FLOAT16),
            helper.make_node("MatMul", [narrow, half], [product], node.name),
            helper.make_node(
                "Cast", [product], [node.output[0]], f"{node.name}_wide", to=TensorProto.FLOAT
            ),
        ]


def _halved(values: NDArray[np.float32]) -> NDArray[np.float16]:
    found = values.astype(np.float16)
    if not np.isfinite(found).all():
        raise ValueError("A weight is too large for half precision.")
    return found


def convert(folder: Path, out: Path) -> None:
    """Writes the variant of a model folder, with a version and digests of its own.

    Raises ValueError for a model that has no bytes.
    """
    model = Rewriter(onnx.load(str(folder / "model.onnx"))).rewritten()
    out.mkdir(parents=True)
    onnx.save(model, str(out / "model.onnx"))
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        if name != "model.onnx":
            shutil.copyfile(folder / name, out / name)
    manifest["version"] += "-fp16"
    manifest["files"]["model.onnx"] = _digest(out / "model.onnx")
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="a shipped model folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    asked = parser.parse_args()
    convert(asked.folder, asked.out)
    print(f"{asked.out}: add it with `manage.py models add {asked.out}`")


if __name__ == "__main__":
    main()
