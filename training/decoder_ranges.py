"""Puts a decoder's linear maps into bytes, with ranges of what real dialogues send into them."""

from __future__ import annotations

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnxruntime as ort

from inference.weights_numpy import Bytes
from training.coarse import LARGEST
from training.decoder_graph import Array, Arrays, Shape, build, bytes_of
from training.small_maps import Kind, SmallMap, map_as_is, small_map, weights_by_column


def opened(
    model: onnx.ModelProto, apart: Mapping[str, Bytes] | None = None
) -> ort.InferenceSession:
    """A runtime on one thread, with the bytes that the graph leaves out."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    given = apart or {}
    values = [ort.OrtValue.ortvalue_from_numpy(each) for each in given.values()]
    options.add_external_initializers(list(given), values)
    content = model.SerializeToString()
    runtime = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    runtime.given = given  # The runtime reads them where they are.
    return runtime


def matrices(small: Mapping[str, SmallMap]) -> dict[str, Bytes]:
    """What a graph leaves out whose bytes lie apart."""
    return dict(bytes_of(name, each) for name, each in small.items())


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
    fixed: Mapping[str, tuple[Bytes, Array]] | None = None,
) -> dict[str, SmallMap]:
    """Every linear map in bytes, by its name, as these dialogues' tokens want it.

    `fixed` ones have their levels (inputs × outputs) and the size of one for each output already.
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
        if fixed and own in fixed:
            found[own] = map_as_is(inputs, *fixed[own])
        elif own == "words":  # Its bytes are the table of words, too.
            found[own] = map_as_is(inputs, *weights_by_column(weight, LARGEST))
        else:
            found[own] = small_map(inputs, weight, Kind(LARGEST, by_row=own.endswith(".narrow")))
    return found
