"""Reads a shipped model back into the network, so that training can go on from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, numpy_helper

PARTS = ("attend", "attended", "widen", "narrow")
NORMS = ("attended_norm", "narrow_norm")
Constants = Mapping[str, NDArray[np.float32]]
Arrays = dict[str, NDArray[np.float32]]


def restore(path: Path) -> Arrays:
    """The network's weights out of a model that `training.graph` wrote in bytes.

    Bytes keep 63 to 127 levels, so the network is nearly, not exactly, the one exported.
    """
    graph = onnx.load(str(path)).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    nodes = list(graph.node)
    return _embedding(nodes, constants) | _norms(nodes, constants) | _layers(nodes, constants)


def _embedding(nodes: list[NodeProto], constants: Constants) -> Arrays:
    words, scales = (constants[node.input[0]] for node in nodes[:2])
    places = next(constants[node.input[0]] for node in nodes if node.op_type == "Slice")
    return {"words.weight": words.astype(np.float32) * scales, "places.weight": places}


def _norms(nodes: list[NodeProto], constants: Constants) -> Arrays:
    state: Arrays = {}
    for number, node in enumerate(n for n in nodes if n.op_type == "LayerNormalization"):
        layer, part = divmod(number - 1, len(NORMS))
        name = f"layers.{layer}.{NORMS[part]}" if number else "words_norm"
        scale, shift = (constants[each] for each in node.input[1:3])
        state |= {f"{name}.weight": scale, f"{name}.bias": shift}
    return state


def _layers(nodes: list[NodeProto], constants: Constants) -> Arrays:
    found = list(_linears(nodes, constants))
    names = [f"layers.{n // len(PARTS)}.{PARTS[n % len(PARTS)]}" for n in range(len(found) - 1)]
    state: Arrays = {}
    for name, (weight, bias) in zip([*names, "heads"], found, strict=True):
        state |= {f"{name}.weight": weight.T, f"{name}.bias": bias}
    return state


def _linears(
    nodes: list[NodeProto], constants: Constants
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Weight (input × output) and bias of each linear map, in the graph's order."""
    maker = {node.output[0]: node for node in nodes}
    for node in nodes:
        if node.op_type != "Add" or node.input[1] not in constants:
            continue
        product = maker[node.input[0]]
        if product.op_type == "MatMul":
            yield constants[product.input[1]], constants[node.input[1]]
        elif product.op_type == "Add" and len(constants[node.input[1]].shape) == 1:
            yield _joined(product, maker, constants), constants[node.input[1]]


def _joined(
    product: NodeProto, maker: Mapping[str, NodeProto], constants: Constants
) -> NDArray[np.float32]:
    """A weight kept as bytes, with the rows that were kept apart in single precision."""
    small, beside = (maker[each] for each in product.input)
    levels, scale = (constants[each] for each in maker[small.input[1]].input[:2])
    weight = levels.astype(np.float32) * scale
    apart = constants[maker[beside.input[0]].input[1]]
    weight[apart] = constants[beside.input[1]]
    return weight
