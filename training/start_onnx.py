"""Reads a shipped model back into the network, so that training can go on from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from training.graph import Ending
from training.small_maps import SmallMap

PARTS = ("attend", "attended", "widen", "narrow")
NORMS = ("attended_norm", "narrow_norm")
KEPT = ("places.weight", "words_norm.weight", "words_norm.bias", "heads.bias")
_THIRDS = frozenset({".0", ".1", ".2"})
Arrays = dict[str, NDArray[np.float32]]
Constants = Mapping[str, NDArray[Any]]


def constants_of(path: Path) -> Constants:
    """Everything that a model file holds, by name."""
    graph = onnx.load(str(path)).graph
    return {each.name: numpy_helper.to_array(each) for each in graph.initializer}


def restore(constants: Constants) -> Arrays:
    """The network's weights out of a model that `training.graph` wrote in bytes.

    Bytes keep 63 to 127 levels, so the network is nearly, not exactly, the one exported. Raises
    ValueError for a model that has no bytes.
    """
    if "words.levels" not in constants:
        raise ValueError(f"The model with {len(constants)} constants holds no bytes of ours.")
    state: Arrays = {name: constants[name] for name in KEPT}
    state["words.weight"] = constants["words.levels"] * constants["words.steps"]
    state["heads.weight"] = constants["heads.weight"].T
    for number in range(layers_of(constants)):
        for norm in NORMS:
            for kind in ("weight", "bias"):
                name = f"layers.{number}.{norm}.{kind}"
                state[name] = constants[name]
        for part in PARTS:
            state |= _linear(constants, f"layers.{number}.{part}")
    return state


def small_maps_of(path: Path) -> dict[str, SmallMap]:
    """The linear maps in bytes of a model file, by name; those in three parts are joined."""
    graph = onnx.load(str(path)).graph
    held = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    found: dict[str, SmallMap] = {}
    for node in graph.node:
        if node.op_type == "MatMulIntegerToFloat":
            _, levels, scale, steps, zero, *_ = node.input
            name = levels.removesuffix(".levels")
            whole = name[:-2] if name[-2:] in _THIRDS else name
            shrink = held.get(f"{whole}.squeeze")
            squeeze = None if shrink is None else np.divide(1.0, shrink, dtype=np.float32)
            part = SmallMap(float(held[scale]), int(held[zero]), held[levels], held[steps], squeeze)
            found[whole] = _joined(found[whole], part) if whole in found else part
    return found


def _joined(first: SmallMap, second: SmallMap) -> SmallMap:
    levels = np.concatenate([first.levels, second.levels], axis=1)
    return replace(first, levels=levels, steps=np.concatenate([first.steps, second.steps]))


def layers_of(constants: Constants) -> int:
    """How many layers the model has."""
    return sum(name.endswith(".narrow_norm.bias") for name in constants)


def ending_of(constants: Constants) -> Ending:
    """The calibration inside a model."""
    blend = constants.get("ending.blend")
    ceilings, factors = (constants.get(f"ending.{name}", ()) for name in ("ceilings", "factors"))
    return Ending(
        constants["ending.slopes"],
        constants["ending.shifts"],
        exclusive=not len(ceilings),
        blend=blend,
        ceilings=[int(each) for each in ceilings],
        factors=[int(each) for each in factors],
    )


def _linear(constants: Constants, name: str) -> Arrays:
    """Weight (output × input) and bias of one linear map, which may be kept in three parts."""
    parts = [f"{name}.{n}" for n in range(3)] if f"{name}.0.levels" in constants else [name]
    weight = np.concatenate(
        [constants[f"{each}.levels"] * constants[f"{each}.steps"] for each in parts], axis=1
    )
    if (shrink := constants.get(f"{name}.squeeze")) is not None:
        weight = weight * shrink[:, None]
    bias = np.concatenate([constants[f"{each}.bias"] for each in parts])
    return {f"{name}.weight": weight.T.astype(np.float32), f"{name}.bias": bias}
