"""Writes a network as an ONNX graph, node by node, with calibration and labels inside.

Constants have the names of the weights that they hold, so that `start_onnx.py` can read a model
back into the network that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from training.nodes import EXTENSIONS, OPSET, Nodes
from training.sizes import ATTENTION_HEADS, EPSILON, FAR_BELOW, HIDDEN
from training.small_maps import SmallMap, table_by_row

Arrays = Mapping[str, NDArray[np.float32]]


class Products(StrEnum):
    """In which numbers the linear maps of the layers multiply."""

    SINGLE = "single"
    BYTES = "bytes"
    WHOLE = "whole"
    """The whole numbers that bytes are, in single precision."""


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


class Graph(Nodes):
    """A graph under construction; every method returns the name of what it computes."""

    def __init__(self, small: Mapping[str, SmallMap] | None, whole: bool) -> None:
        super().__init__()
        self.small = small or {}
        self.products = Products.SINGLE
        if small:
            self.products = Products.WHOLE if whole else Products.BYTES

    def linear(self, name: str, states: str, weights: Arrays) -> str:
        """A linear map, in the numbers that this graph multiplies in."""
        matrix, shift = weights[f"{name}.weight"].T, weights[f"{name}.bias"]
        if self.products is Products.BYTES:
            small = self.small[name]
            return self.product(name, self.in_bytes(name, states, small), small, shift)
        if self.products is Products.WHOLE:
            product = self.whole_product(name, states, self.small[name])
        else:
            product = self.node("MatMul", states, self.constant(matrix, f"{name}.weight"))
        return self.node("Add", product, self.constant(shift, f"{name}.bias"))

    def whole_product(self, name: str, states: str, small: SmallMap) -> str:
        """The product of bytes by standard operators that a GPU has.

        Both factors are whole numbers below 256, which eleven bits hold: single precision gives
        the very sums of the bytes, and so do tensor cores that round factors to TF32.
        """
        taken = self.in_bytes(name, states, small)
        zero = self.constant(np.array(small.zero, dtype=np.uint8))
        steps = self.node("DequantizeLinear", taken, self.number(1.0), zero)
        levels = self.node("Cast", self.levels(name, small), to=TensorProto.FLOAT)
        product = self.node("MatMul", steps, levels)
        unit = (small.steps * small.scale).astype(np.float32)
        return self.node("Mul", product, self.constant(unit, f"{name}.steps"))

    def thirds(self, name: str, states: str, weights: Arrays) -> list[str]:
        """A linear map in bytes whose outputs are wanted in three equal parts."""
        whole, shift = self.small[name], weights[f"{name}.bias"]
        taken = self.in_bytes(name, states, whole)
        size = len(shift) // 3
        found = []
        for number in range(3):
            here = slice(number * size, (number + 1) * size)
            part = SmallMap(whole.scale, whole.zero, whole.levels[:, here], whole.steps[here])
            found.append(self.product(f"{name}.{number}", taken, part, shift[here]))
        return found

    def norm(self, states: str, weights: Arrays, name: str) -> str:
        """Layer normalisation."""
        names = [f"{name}.{part}" for part in ("weight", "bias")]
        scale, shift = (self.constant(weights[each], each) for each in names)
        return self.node("LayerNormalization", states, scale, shift, axis=-1, epsilon=EPSILON)


def build(
    weights: Arrays,
    layers: int,
    ending: Ending,
    small: Mapping[str, SmallMap] | None = None,
    *,
    whole: bool = False,
) -> onnx.ModelProto:
    """The whole model, in single precision where no map is in bytes.

    With `whole` a GPU's variant of maps in bytes: see `Graph.whole_product`.
    """
    graph = Graph(small, whole)
    states = _embed(graph, weights)
    mask = graph.node("Cast", "attention_mask", to=TensorProto.FLOAT)
    outside = graph.node("Sub", graph.number(1.0), mask)
    below = graph.node("Mul", outside, graph.number(FAR_BELOW))
    if graph.products is Products.BYTES:
        hidden = graph.node("Cast", "attention_mask", to=TensorProto.INT32)
    else:
        hidden = graph.node("Unsqueeze", below, graph.whole(1, 2))
    for number in range(layers):
        states = _layer(graph, states, hidden, weights, f"layers.{number}")
    pooled = _pool(graph, states, mask, below)
    matrix = graph.constant(weights["heads.weight"].T, "heads.weight")
    logits = graph.node("MatMul", pooled, matrix)
    logits = graph.node("Add", logits, graph.constant(weights["heads.bias"], "heads.bias"))
    _finish(graph, logits, ending)
    return _model(graph, len(ending.slopes))


def _embed(graph: Graph, weights: Arrays) -> str:
    table = weights["words.weight"]
    if graph.products is Products.SINGLE:
        words = graph.node("Gather", graph.constant(table, "words.weight"), "input_ids")
    else:
        small, scale = table_by_row(table)
        rows = graph.node("Gather", graph.constant(small, "words.levels"), "input_ids")
        scales = graph.node("Gather", graph.constant(scale, "words.steps"), "input_ids")
        words = graph.node("Mul", graph.node("Cast", rows, to=TensorProto.FLOAT), scales)
    length = graph.node("Shape", "input_ids", start=1, end=2)
    places = graph.constant(weights["places.weight"], "places.weight")
    here = graph.node("Slice", places, graph.whole(0), length, graph.whole(0))
    return graph.norm(graph.node("Add", words, here), weights, "words_norm")


def _layer(graph: Graph, states: str, hidden: str, weights: Arrays, name: str) -> str:
    if graph.products is Products.BYTES:
        heads = graph.thirds(f"{name}.attend", states, weights)
        mixed = _attend_whole(graph, heads, hidden)
    else:
        mixed = _attend(graph, graph.linear(f"{name}.attend", states, weights), hidden)
    # Sum and norm are two nodes: ONNX Runtime's joined one takes six times as long on a processor.
    inner = graph.node("Add", states, graph.linear(f"{name}.attended", mixed, weights))
    inner = graph.norm(inner, weights, f"{name}.attended_norm")
    wide = graph.node("Gelu", graph.linear(f"{name}.widen", inner, weights))
    outer = graph.node("Add", inner, graph.linear(f"{name}.narrow", wide, weights))
    return graph.norm(outer, weights, f"{name}.narrow_norm")


def _attend_whole(graph: Graph, heads: Sequence[str], hidden: str) -> str:
    """Attention in one node of ONNX Runtime's, which needs no transposed copies."""
    return graph.node(
        "MultiHeadAttention",
        *heads,
        "",
        hidden,
        domain=EXTENSIONS,
        num_heads=ATTENTION_HEADS,
        mask_filter_value=FAR_BELOW,
    )


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
    steep = graph.node("Mul", logits, graph.constant(ending.slopes, "ending.slopes"))
    placed = graph.node("Add", steep, graph.constant(ending.shifts, "ending.shifts"))
    if ending.blend is not None:
        blend = graph.constant(ending.blend, "ending.blend")
        added = graph.node("MatMul", graph.node("Softplus", placed), blend)
        placed = graph.node("Add", placed, added)
    if ending.exclusive:
        scores = graph.node("Softmax", placed, axis=-1)
    else:
        scores = _agree(graph, graph.node("Sigmoid", placed), ending)
    graph.nodes.append(helper.make_node("Identity", [scores], ["probabilities"], "answer"))


def _agree(graph: Graph, scores: str, ending: Ending) -> str:
    """No label above the one that it implies; a label with a factor is multiplied by it."""
    ceilings, factors = (
        graph.constant(np.array(found, dtype=np.int64), f"ending.{name}")
        for name, found in (("ceilings", ending.ceilings), ("factors", ending.factors))
    )
    ceiling = graph.node("Gather", scores, ceilings, axis=1)
    capped = graph.node("Min", scores, ceiling)
    ones = graph.node("Add", graph.node("Mul", scores, graph.number(0.0)), graph.number(1.0))
    both = graph.node("Concat", scores, ones, axis=1)
    factor = graph.node("Gather", both, factors, axis=1)
    return graph.node("Mul", capped, factor)


def _model(graph: Graph, labels: int) -> onnx.ModelProto:
    size = ["batch", "sequence"]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, size)
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels])
    body = helper.make_graph(graph.nodes, "judge", inputs, [output], graph.constants)
    opsets = [helper.make_opsetid("", OPSET)]
    if graph.products is Products.BYTES:
        opsets.append(helper.make_opsetid(EXTENSIONS, 1))
    model = helper.make_model(body, opset_imports=opsets, producer_name="training")
    model.ir_version = 10
    onnx.checker.check_model(model, full_check=True)
    return model
