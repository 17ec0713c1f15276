"""Writes a network as an ONNX graph, node by node, with calibration and labels inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.encoder import ATTENTION_HEADS, EPSILON, FAR_BELOW, HIDDEN
from training.quantise import Range, table_by_row, weights_by_column

OPSET = 20
Arrays = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Ending:
    """What follows the logits: slope and shift a head, a blend, probabilities, computed labels.

    The blend is a matrix: how much each head's evidence (softplus of its logit) adds to each label.
    """

    slopes: NDArray[np.float32]
    shifts: NDArray[np.float32]
    exclusive: bool = False
    blend: NDArray[np.float32] | None = None
    ceilings: Sequence[int] = ()
    factors: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Bytes:
    """Which linear maps work on bytes, in which ranges, and the largest weight as a byte."""

    ranges: Mapping[str, Range]
    keep: frozenset[str] = frozenset()
    levels: int = 127


class Graph:
    """A graph under construction; every method returns the name of what it computes."""

    def __init__(self, small: Bytes | None) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.small = small

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output."""
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name, **attributes))
        return name

    def constant(self, value: NDArray[np.generic]) -> str:
        """Add a constant."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def whole(self, *values: int) -> str:
        """Add a vector of integers."""
        return self.constant(np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """Add a single number."""
        return self.constant(np.array(value, dtype=np.float32))

    def linear(self, name: str, states: str, weight: NDArray[np.float32], shift: str) -> str:
        """A linear map, in bytes where a range is known and the layer is not kept."""
        found = self.small.ranges.get(name) if self.small else None
        if self.small is None or found is None or name in self.small.keep:
            product = self.node("MatMul", states, self.constant(weight))
        else:
            rest = weight.copy()
            rest[found.apart] = 0.0
            matrix = self._small_matrix(rest, self.small.levels)
            product = self.node("MatMul", self._bytes(states, found), matrix)
            tall = self.node("Gather", states, self.constant(found.apart), axis=2)
            beside = self.node("MatMul", tall, self.constant(weight[found.apart]))
            product = self.node("Add", product, beside)
        return self.node("Add", product, shift)

    def norm(self, states: str, weights: Arrays, name: str) -> str:
        """Layer normalisation."""
        scale, shift = (self.constant(weights[f"{name}.{part}"]) for part in ("weight", "bias"))
        return self.node("LayerNormalization", states, scale, shift, axis=-1, epsilon=EPSILON)

    def _small_matrix(self, weight: NDArray[np.float32], levels: int) -> str:
        small, scale = weights_by_column(weight, levels)
        zeros = np.zeros(len(scale), dtype=np.int8)
        parts = [self.constant(part) for part in (small, scale, zeros)]
        return self.node("DequantizeLinear", *parts, axis=1)

    def _bytes(self, states: str, found: Range) -> str:
        scale = self.number(found.scale)
        zero = self.constant(np.array(found.zero, dtype=np.uint8))
        small = self.node("QuantizeLinear", states, scale, zero)
        return self.node("DequantizeLinear", small, scale, zero)


def build(
    weights: Arrays,
    layers: int,
    ending: Ending,
    small: Bytes | None = None,
) -> onnx.ModelProto:
    """The whole model; in single precision where no bytes are asked for."""
    graph = Graph(small)
    states = _embed(graph, weights)
    mask = graph.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    outside = graph.node("Sub", graph.number(1.0), mask)
    below = graph.node("Mul", outside, graph.number(FAR_BELOW))
    bias = graph.node("Unsqueeze", below, graph.whole(1, 2))
    for number in range(layers):
        states = _layer(graph, states, bias, weights, number)
    pooled = _pool(graph, states, mask, below)
    logits = graph.linear(
        "heads", pooled, weights["heads.weight"].T, graph.constant(weights["heads.bias"])
    )
    _finish(graph, logits, ending)
    return _model(graph, len(ending.slopes))


def _embed(graph: Graph, weights: Arrays) -> str:
    table = weights["words.weight"]
    if graph.small is not None:
        small, scale = table_by_row(table)
        rows = graph.node("Gather", graph.constant(small), "input_ids")
        scales = graph.node("Gather", graph.constant(scale), "input_ids")
        words = graph.node("Mul", graph.node("Cast", rows, to=TensorProto.FLOAT), scales)
    else:
        words = graph.node("Gather", graph.constant(table), "input_ids")
    length = graph.node("Shape", "input_ids", start=1, end=2)
    places = graph.constant(weights["places.weight"])
    here = graph.node("Slice", places, graph.whole(0), length, graph.whole(0))
    return graph.norm(graph.node("Add", words, here), weights, "words_norm")


def _layer(graph: Graph, states: str, bias: str, weights: Arrays, number: int) -> str:
    def linear(part: str, inputs: str) -> str:
        matrix = weights[f"layers.{number}.{part}.weight"].T
        shift = graph.constant(weights[f"layers.{number}.{part}.bias"])
        return graph.linear(f"{number}.{part}", inputs, matrix, shift)

    mixed = _attend(graph, linear("attend", states), bias)
    inner = graph.node("Add", states, linear("attended", mixed))
    inner = graph.norm(inner, weights, f"layers.{number}.attended_norm")
    wide = graph.node("Gelu", linear("widen", inner))
    outer = graph.node("Add", inner, linear("narrow", wide))
    return graph.norm(outer, weights, f"layers.{number}.narrow_norm")


def _attend(graph: Graph, packed: str, bias: str) -> str:
    split = graph.whole(0, 0, 3 * ATTENTION_HEADS, HIDDEN // ATTENTION_HEADS)
    heads = graph.node("Transpose", graph.node("Reshape", packed, split), perm=[0, 2, 1, 3])
    ends = [graph.whole(part * ATTENTION_HEADS) for part in range(4)]
    query, key, value = (
        graph.node("Slice", heads, ends[part], ends[part + 1], graph.whole(1)) for part in range(3)
    )
    scaled = graph.node("Mul", query, graph.number((HIDDEN // ATTENTION_HEADS) ** -0.5))
    scores = graph.node("MatMul", scaled, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
    shares = graph.node("Softmax", graph.node("Add", scores, bias), axis=-1)
    mixed = graph.node("Transpose", graph.node("MatMul", shares, value), perm=[0, 2, 1, 3])
    return graph.node("Reshape", mixed, graph.whole(0, 0, HIDDEN))


def _pool(graph: Graph, states: str, mask: str, below: str) -> str:
    last, middle = graph.whole(2), graph.whole(1)
    column = graph.node("Unsqueeze", mask, last)
    total = graph.node("ReduceSum", graph.node("Mul", states, column), middle, keepdims=0)
    mean = graph.node("Div", total, graph.node("ReduceSum", column, middle, keepdims=0))
    lifted = graph.node("Add", states, graph.node("Unsqueeze", below, last))
    highest = graph.node("ReduceMax", lifted, middle, keepdims=0)
    first = graph.node("Gather", states, graph.constant(np.array(0, dtype=np.int64)), axis=1)
    return graph.node("Concat", first, mean, highest, axis=-1)


def _finish(graph: Graph, logits: str, ending: Ending) -> None:
    steep = graph.node("Mul", logits, graph.constant(ending.slopes))
    placed = graph.node("Add", steep, graph.constant(ending.shifts))
    if ending.blend is not None:
        added = graph.node("MatMul", graph.node("Softplus", placed), graph.constant(ending.blend))
        placed = graph.node("Add", placed, added)
    if ending.exclusive:
        scores = graph.node("Softmax", placed, axis=-1)
    else:
        scores = _agree(graph, graph.node("Sigmoid", placed), ending)
    graph.nodes.append(helper.make_node("Identity", [scores], ["probabilities"], "answer"))


def _agree(graph: Graph, scores: str, ending: Ending) -> str:
    """No label above the one that it implies; a label with a factor is multiplied by it."""
    ceiling = graph.node("Gather", scores, graph.whole(*ending.ceilings), axis=1)
    capped = graph.node("Min", scores, ceiling)
    ones = graph.node("Add", graph.node("Mul", scores, graph.number(0.0)), graph.number(1.0))
    both = graph.node("Concat", scores, ones, axis=1)
    factor = graph.node("Gather", both, graph.whole(*ending.factors), axis=1)
    return graph.node("Mul", capped, factor)


def _model(graph: Graph, labels: int) -> onnx.ModelProto:
    size = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, size)
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels])
    body = helper.make_graph(graph.nodes, "judge", inputs, [output], graph.constants)
    model = helper.make_model(
        body, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="training"
    )
    model.ir_version = 9
    onnx.checker.check_model(model, full_check=True)
    return model
