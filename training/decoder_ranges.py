"""Puts a decoder's linear maps into bytes, with ranges of what real dialogues send into them."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort

from training.decoder_graph import Array, Arrays, Shape, build
from training.small_maps import Kind, SmallMap, map_of_bits, small_map
from training.three_bits import ThreeBits

LEVELS = 63
"""Largest weight as a byte: sums then fit on processors without dot products of bytes."""


def opened(model: onnx.ModelProto) -> ort.InferenceSession:
    """A runtime on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    content = model.SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


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
        inputs = np.concatenate(parts)
        if bits and own in bits:
            found[own] = map_of_bits(inputs, bits[own])
        else:
            kind = Kind(LEVELS, by_row=own.endswith(".narrow"))
            found[own] = small_map(inputs, weights[f"{own}.weight"].T, kind)
    return found
