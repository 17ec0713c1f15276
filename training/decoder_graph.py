"""Writes a decoder with a cache of keys and values as an ONNX graph, node by node.

Names and shapes are those of onnxruntime-genai's exports, so that one engine runs both.

inputs: `input_ids` int64 [batch, new]; `attention_mask` int64 [batch, past + new], ones and then
zeros; `past_key_values.N.key` and `.value` float32 [batch, kv_heads, cache, head_dim].
outputs: `logits` float32 [batch, 1, vocab], of each row's last real token only, for a prompt needs
no other; `present.N.key` and `.value`, as long as the longer of cache and mask. Where the cache
is at least as long as the mask, past and present may be bound to the same memory.

New tokens may be padded (on the right) only where nothing is in the cache yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from inference.weights_numpy import WEIGHTS, Bytes
from training.nodes import EXTENSIONS, OPSET, Nodes
from training.small_maps import SmallMap

EPSILON = 1e-5
TINY = 1e-9

Array = NDArray[np.float32]
Arrays = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Shape:
    """The decoder's sizes; `wide` is the width inside the feed-forward step.

    `widen` gives twice as many: the gate's first, then what passes it.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    wide: int
    vocab: int
    context: int
    base: float = 10_000.0

    @property
    def head_dim(self) -> int:
        """The width of one head."""
        return self.width // self.heads

    def names(self) -> dict[str, tuple[int, ...]]:
        """Every weight with its shape; matrices are [outputs, inputs]."""
        attend = (self.heads + 2 * self.kv_heads) * self.head_dim
        layer: dict[str, tuple[int, ...]] = {
            "attend_norm": (self.width,),
            "attend": (attend, self.width),
            "attended": (self.width, self.width),
            "widen_norm": (self.width,),
            "widen": (2 * self.wide, self.width),
            "narrow": (self.width, self.wide),
        }
        found: dict[str, tuple[int, ...]] = {"words.weight": (self.vocab, self.width)}
        for number in range(self.layers):
            found |= {f"layers.{number}.{part}.weight": size for part, size in layer.items()}
        return found | {"final_norm.weight": (self.width,)}


def rotations(shape: Shape) -> tuple[Array, Array]:
    """Cosines and sines of the rotary position embedding, [context, head_dim / 2].

    Su et al., RoFormer (2021); each head's first half is rotated against its second.
    """
    half = shape.head_dim // 2
    speeds = shape.base ** (-np.arange(half, dtype=np.float64) / half)
    angles = np.arange(shape.context, dtype=np.float64)[:, None] * speeds
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def halves(weight: Array, shape: Shape) -> Array:
    """Queries' or keys' weights for `rotations`, from those whose neighbours are rotated (GGUF)."""
    pairs = weight.reshape(-1, shape.head_dim // 2, 2, weight.shape[1])
    return pairs.swapaxes(1, 2).reshape(weight.shape)


class Graph(Nodes):
    """A graph under construction; every method returns the name of what it computes."""

    def __init__(self, weights: Arrays, small: Mapping[str, SmallMap], *, apart: bool) -> None:
        super().__init__()
        self.weights = weights
        self.small = small
        self.apart = apart
        self.taken: dict[str, str] = {}
        """What flows into each linear map."""
        self.table = ""
        """The table of words in bytes."""

    def linear(self, name: str, states: str) -> str:
        """A linear map without a shift, in bytes where a range is known.

        Ranges are fixed, or each row's own, so that a sequence's numbers do not depend on its
        neighbours.
        """
        self.taken[name] = states
        if name not in self.small:
            matrix = self.constant(self.weights[f"{name}.weight"].T)
            return self.node("MatMul", states, matrix)
        small = self.small[name]
        if not small.by_row:
            return self.product(name, self.in_bytes(name, states, small), small)
        states = self.squeezed(name, states, small)
        peak = self.node("ReduceMax", self.node("Abs", states), self.whole(-1))
        peak = self.node("Max", peak, self.number(TINY))
        unsqueezed = replace(small, squeeze=None)
        taken = self.in_bytes(name, self.node("Div", states, peak), unsqueezed)
        return self.node("Mul", self.product(name, taken, unsqueezed), peak)

    def gated(self, pair: str) -> str:
        """The second half of the last axis, as far as the first half's SiLU lets it pass."""
        name = f"Split_{len(self.nodes)}"
        halves = [f"{name}_gate", f"{name}_wide"]
        self.nodes.append(helper.make_node("Split", [pair], halves, name, axis=-1, num_outputs=2))
        gate = self.node("QuickGelu", halves[0], domain=EXTENSIONS, alpha=1.0)
        return self.node("Mul", gate, halves[1])

    def words(self) -> str:
        """The rows of the table at `input_ids`, kept as bytes where other weights are."""
        if not self.small:
            return self.node("Gather", self.constant(self.weights["words.weight"]), "input_ids")
        small = self.small["words"]
        self.table = self.matrix("words", small)
        rows = self.node("Gather", self.table, "input_ids")
        scales = self.node("Gather", self.constant(small.steps[:, None]), "input_ids")
        return self.node("Mul", self.node("Cast", rows, to=TensorProto.FLOAT), scales)

    def levels(self, name: str, small: SmallMap) -> str:
        """As of any map; the table of words serves both ends."""
        if name == "words":
            return self.node("Transpose", self.table, perm=[1, 0])
        return self.matrix(name, small)

    def matrix(self, name: str, small: SmallMap) -> str:
        """A map's bytes, or their name alone where they lie in a file of their own."""
        name, levels = bytes_of(name, small)
        if not self.apart:
            return self.constant(levels, name)
        left_out = TensorProto(name=name, data_type=TensorProto.INT8, dims=levels.shape)
        left_out.data_location = TensorProto.EXTERNAL
        left_out.external_data.add(key="location", value=WEIGHTS)
        self.constants.append(left_out)
        return name


def bytes_of(name: str, small: SmallMap) -> tuple[str, Bytes]:
    """A map's bytes with their name in the graph: inputs × outputs, but a row for each word."""
    levels = small.levels.T if name == "words" else small.levels
    return f"{name}.levels", np.ascontiguousarray(levels)


def build(
    weights: Arrays,
    shape: Shape,
    small: Mapping[str, SmallMap] | None = None,
    *,
    apart: bool = False,
    watched: bool = False,
) -> onnx.ModelProto:
    """The whole decoder, in single precision where no maps in bytes are given.

    Bytes that lie `apart` are named, but left out: they belong into a file beside the graph. A
    watched decoder also gives what flows into each linear map, as `taken.NAME`. Raises ValueError
    where a weight is missing or has another shape.
    """
    _check(weights, shape)
    graph = Graph(weights, small or {}, apart=apart)
    states = graph.words()
    normed = _first_norm(graph, states, weights["layers.0.attend_norm.weight"])
    lengths, total = _lengths(graph)
    tables = [graph.constant(table) for table in rotations(shape)]
    for number in range(shape.layers):
        name = f"layers.{number}"
        packed = graph.linear(f"{name}.attend", normed)
        mixed = _attend(graph, packed, shape, number, [lengths, total, *tables])
        mixed = graph.linear(f"{name}.attended", mixed)
        states, normed = _norm(graph, states, mixed, weights[f"{name}.widen_norm.weight"])
        outer = graph.linear(f"{name}.narrow", graph.gated(graph.linear(f"{name}.widen", normed)))
        states, normed = _norm(graph, states, outer, weights[_next_norm(shape, number)])
    logits = graph.linear("words", _last(graph, normed))
    graph.taken["words"] = normed  # Of all tokens, though the logits need only the last.
    graph.nodes.append(helper.make_node("Identity", [logits], ["logits"], "answer"))
    return _model(graph, shape, watched)


def _check(weights: Arrays, shape: Shape) -> None:
    for name, size in shape.names().items():
        found = weights[name].shape if name in weights else None
        if found != size:
            raise ValueError(f"{name} must have the shape {size}; it has {found}.")


def _next_norm(shape: Shape, number: int) -> str:
    last = number + 1 == shape.layers
    return "final_norm.weight" if last else f"layers.{number + 1}.attend_norm.weight"


def _first_norm(graph: Graph, states: str, scale: Array) -> str:
    part = graph.constant(scale)
    return graph.node("SimplifiedLayerNormalization", states, part, axis=-1, epsilon=EPSILON)


def _norm(graph: Graph, states: str, added: str, scale: Array) -> tuple[str, str]:
    """The sum of both, and its root-mean-square norm (Zhang and Sennrich, 2019)."""
    kind, parts = "SkipSimplifiedLayerNormalization", [states, added, graph.constant(scale)]
    name = f"{kind}_{len(graph.nodes)}"
    outputs = [f"{name}_normed", "", "", f"{name}_sum"]
    graph.nodes.append(
        helper.make_node(kind, parts, outputs, name, domain=EXTENSIONS, epsilon=EPSILON)
    )
    return outputs[3], outputs[0]


def _lengths(graph: Graph) -> tuple[str, str]:
    """Each row's last real position [batch], and the mask's length, as the attention wants them."""
    real = graph.node("ReduceSum", "attention_mask", graph.whole(1), keepdims=0)
    last = graph.node("Sub", real, graph.constant(np.array(1, dtype=np.int64)))
    total = graph.node("Shape", "attention_mask", start=1, end=2)
    scalar = graph.node("Squeeze", total)
    kinds = [graph.node("Cast", each, to=TensorProto.INT32) for each in (last, scalar)]
    return kinds[0], kinds[1]


def _attend(graph: Graph, packed: str, shape: Shape, number: int, rest: list[str]) -> str:
    """Causal attention over cache and new tokens, which are rotated to their places first."""
    name = f"attention_{number}"
    cache = [f"past_key_values.{number}.{part}" for part in ("key", "value")]
    outputs = [name, f"present.{number}.key", f"present.{number}.value"]
    how: dict[str, Any] = {"num_heads": shape.heads, "kv_num_heads": shape.kv_heads}
    inputs = [packed, "", "", *cache, *rest]
    kind = "GroupQueryAttention"
    graph.nodes.append(
        helper.make_node(kind, inputs, outputs, name, domain=EXTENSIONS, do_rotary=1, **how)
    )
    return name


def _last(graph: Graph, states: str) -> str:
    """Each row's last real state, [batch, 1, width].

    The mask's padding counts from the end of the new tokens; rows whose padding lies in the
    cache (a step of one token for sequences of different lengths) have one new token only.
    """
    new = graph.node("Shape", "input_ids", start=1, end=2)
    total = graph.node("Shape", "attention_mask", start=1, end=2)
    real = graph.node("ReduceSum", "attention_mask", graph.whole(1), keepdims=1)
    padding = graph.node("Sub", total, real)
    place = graph.node("Sub", graph.node("Sub", new, graph.whole(1)), padding)
    place = graph.node("Max", place, graph.whole(0))
    chosen = graph.node("GatherND", states, place, batch_dims=1)
    return graph.node("Unsqueeze", chosen, graph.whole(1))


def _model(graph: Graph, shape: Shape, watched: bool) -> onnx.ModelProto:
    whole, single = TensorProto.INT64, TensorProto.FLOAT
    make = helper.make_tensor_value_info
    inputs = [make("input_ids", whole, ["batch", "new"])]
    inputs.append(make("attention_mask", whole, ["batch", "total"]))
    outputs = [make("logits", single, ["batch", 1, shape.vocab])]
    for number in range(shape.layers):
        for part in ("key", "value"):
            size: list[str | int | None] = ["batch", shape.kv_heads, "cache", shape.head_dim]
            inputs.append(make(f"past_key_values.{number}.{part}", single, size))
            kept: list[str | int | None] = ["batch", shape.kv_heads, "kept", shape.head_dim]
            outputs.append(make(f"present.{number}.{part}", single, kept))
    for name, taken in graph.taken.items() if watched else ():
        graph.nodes.append(helper.make_node("Identity", [taken], [f"taken.{name}"]))
        outputs.append(make(f"taken.{name}", single, ["batch", "new", None]))
    body = helper.make_graph(graph.nodes, "continue", inputs, outputs, graph.constants)
    versions = [helper.make_opsetid("", OPSET), helper.make_opsetid(EXTENSIONS, 1)]
    model = helper.make_model(body, opset_imports=versions, producer_name="training")
    model.ir_version = 10
    return model
