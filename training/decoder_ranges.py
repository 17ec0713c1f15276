"""Puts a decoder's linear maps into bytes, with ranges of what real dialogues send into them."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime as ort

from training.decoder_graph import Array, Arrays, Shape, build
from training.small_maps import Kind, SmallMap, map_as_is, small_map, weights_by_column
from training.three_bits import ThreeBits

LEVELS = 63
"""Largest weight as a byte: sums then fit on processors without dot products of bytes."""


def opened(
    model: onnx.ModelProto, small: Mapping[str, SmallMap] | None = None
) -> ort.InferenceSession:
    """A runtime on one thread; weights of these maps that the graph leaves out are put in."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    bits = {f"{name}.levels": each.levels for name, each in (small or {}).items() if each.bits}
    values = [ort.OrtValue.ortvalue_from_numpy(each) for each in bits.values()]
    options.add_external_initializers(list(bits), values)
    content = model.SerializeToString()
    runtime = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    runtime.given = bits  # The runtime reads them where they are.
    return runtime


def empty_cache(shape: Shape, rows: int) -> dict[str, Array]:
    """What a decoder remembers before the first token, by the name of its input."""
    size = (rows, shape.kv_heads, 0, shape.head_dim)
    return {
        f"past_key_values.{number}.{part}": np.zeros(size, dtype=np.float32)
        for number in range(shape.layers)
        for part in ("key", "value")
    }


def small_maps(
    weights: Arrays,
    shape: Shape,
    dialogues: Sequence[Sequence[int]],
    bits: Mapping[str, ThreeBits] | None = None,
) -> dict[str, SmallMap]:
    """Every linear map in bytes, by its name, as these dialogues' tokens want it.

    The weights of those that are given in three bits stay as they are.
    """
    runtime = opened(build(weights, shape, watched=True))
    watched = [each.name for each in runtime.get_outputs() if each.name.startswith("taken.")]
    seen: dict[str, list[Array]] = {name: [] for name in watched}
    for dialogue in dialogues:
        ids = np.array([dialogue], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), **empty_cache(shape, 1)}
        for name, states in zip(watched, runtime.run(watched, given), strict=True):
            seen[name].append(states[0])
    found = {}
    for name, parts in seen.items():
        own = name.removeprefix("taken.")
        inputs, weight = np.concatenate(parts), weights[f"{own}.weight"].T
        if bits and own in bits:
            small = map_as_is(inputs, bits[own].levels, bits[own].steps)
            found[own] = replace(small, bits=bits[own])
        elif own == "words":  # Its bytes are the table of words, too.
            found[own] = map_as_is(inputs, *weights_by_column(weight, LEVELS))
        else:
            found[own] = small_map(inputs, weight, Kind(LEVELS, by_row=own.endswith(".narrow")))
    return found
