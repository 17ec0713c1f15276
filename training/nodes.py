"""Builds ONNX graphs node by node; linear maps in bytes look the same in all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.small_maps import Floats, SmallMap

OPSET = 20
EXTENSIONS = "com.microsoft"
"""ONNX Runtime's own operators, among them a product of bytes with its scales and its shift."""


class Nodes:
    """A graph under construction; every method returns the name of what it computes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        name = f"{kind}_{len(self.nodes)}"
        made = helper.make_node(kind, list(inputs), [name], name, domain=domain, **attributes)
        self.nodes.append(made)
        return name

    def constant(self, value: NDArray[np.generic], name: str = "") -> str:
        """Add a constant."""
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def whole(self, *values: int) -> str:
        """Add a vector of integers."""
        return self.constant(np.array(values, dtype=np.int64))

    def number(self, value: float) -> str:
        """Add a single number."""
        return self.constant(np.array(value, dtype=np.float32))

    def in_bytes(self, name: str, states: str, small: SmallMap) -> str:
        """What flows into a map, as bytes in a range that is fixed."""
        states = self.squeezed(name, states, small)
        zero = self.constant(np.array(small.zero, dtype=np.uint8))
        return self.node("QuantizeLinear", states, self.number(small.scale), zero)

    def squeezed(self, name: str, states: str, small: SmallMap) -> str:
        """What flows into a map, divided channel by channel where the map wants that."""
        if small.squeeze is None:
            return states
        return self.node("Mul", states, self.constant(1.0 / small.squeeze, f"{name}.squeeze"))

    def levels(self, name: str, small: SmallMap) -> str:
        """A map's weights as bytes."""
        return self.constant(small.levels, f"{name}.levels")

    def product(self, name: str, taken: str, small: SmallMap, shift: Floats | None = None) -> str:
        """The product of bytes with the map's weights, and the shift where there is one."""
        parts = [
            self.levels(name, small),
            self.number(small.scale),
            self.constant(small.steps, f"{name}.steps"),
            self.constant(np.array(small.zero, dtype=np.uint8)),
            self.constant(np.zeros(len(small.steps), dtype=np.int8)),
        ]
        if shift is not None:
            parts.append(self.constant(shift, f"{name}.bias"))
        return self.node("MatMulIntegerToFloat", taken, *parts, domain=EXTENSIONS)
