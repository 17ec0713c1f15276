"""Runs a decoder on ONNX Runtime, its cache of keys and values in memory that is never copied.

The graph is one of onnxruntime-genai's kind: it takes `input_ids`, `attention_mask`, sometimes
`position_ids`, and `past_key_values.N.key` and `.value`; it gives `logits` and `present.N.…`.
Its GroupQueryAttention writes into the memory it reads, so that past and present are bound to
the same arrays, one for all slots of a layer; the running sequences are the first of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.runtime_onnx import CPU, Execution, open_session  # isort: skip - sets the telemetry.

import numpy as np
from numpy.typing import NDArray

from inference import weights_numpy
from inference.decoder_format import DecoderFormat
from inference.errors import BadModel
from inference.versions import MODEL, Manifest
from inference.weights_numpy import WEIGHTS

TOLERANCE = 0.02
"""How much the trial's logits may differ with and without the cache, for their spread."""
TRIALS = ((3, 1, 4, 1, 5), (2, 7, 1, 8, 2), (1, 6, 1, 8, 0), (5, 7, 7, 2, 1))
"""Sequences of which at least one must agree. A model in bytes may round the last bit of a sum to
another byte, and every layer makes more of it: that happens to one sequence in four."""

Floats = NDArray[np.float32]
Whole = NDArray[np.int64]


@dataclass(slots=True)
class _Bound:
    """Memory that a run reads and writes, and its binding; `mask` only keeps its array alive."""

    binding: Any
    ids: Whole
    positions: Whole
    logits: Floats
    mask: Whole


class OnnxDecoder:
    """A loaded decoder with its cache; see inference.decoding.Decoder. Raises BadModel.

    One thread at a time may call it. It runs on the CPU.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, form: DecoderFormat, slots: int, threads: int = 1
    ) -> None:
        self.slots = slots
        self._form = form
        apart = weights_numpy.read(folder / WEIGHTS) if WEIGHTS in manifest.files else None
        self._session = open_session(folder / MODEL, manifest, Execution(CPU, threads), apart)
        self.provider = str(self._session.get_providers()[0])
        inputs = check_graph(self._session, manifest, form)
        self._positioned = "position_ids" in inputs
        self._last_only = self._session.get_outputs()[0].shape[1] == 1
        size = (slots, form.kv_heads, form.context, form.head_dim)
        # Pages that no sequence reached yet take no memory.
        self._cache = {name: np.zeros(size, np.float32) for name in cache_names(form)}
        self._steps: dict[int, _Bound] = {}

    def prefill(self, slot: int, tokens: Sequence[int], start: int) -> Floats:
        """Reads tokens of one sequence behind its first `start`; what comes after the last."""
        bound = self._bind(slot, 1, len(tokens))
        bound.ids[0] = tokens
        bound.positions[0] = np.arange(start, start + len(tokens))
        last: Floats = self._run(bound, np.ones((1, start + len(tokens)), np.int64))[0]
        return last

    def step(self, tokens: Sequence[int], lengths: Sequence[int]) -> Floats:
        """Reads one more token of each of the first slots, whose sequences then are so long."""
        count = len(tokens)
        bound = self._steps.get(count)
        if bound is None:
            bound = self._steps[count] = self._bind(0, count, 1)
        bound.ids[:, 0] = tokens
        ends = np.asarray(lengths, dtype=np.int64)
        bound.positions[:, 0] = ends - 1
        mask = np.arange(ends.max())[None] < ends[:, None]
        return self._run(bound, mask.astype(np.int64))

    def move(self, source: int, target: int, length: int) -> None:
        """Puts the first `length` tokens of a slot into another one."""
        for cache in self._cache.values():
            cache[target, :, :length] = cache[source, :, :length]

    def try_out(self) -> None:
        """Raises BadModel unless a sequence read in parts gives what it gives as a whole."""
        try:
            agrees = any(map(self._agrees, TRIALS))
        except Exception as error:  # The library's errors share no base.
            first = str(error).splitlines()[0][:200]
            raise BadModel(
                f"The decoder cannot keep its cache in shared memory: {first} "
                "It must be exported with GroupQueryAttention."
            ) from error
        if not agrees:
            raise BadModel("The decoder says something else when it reads its cache.")

    def _agrees(self, tokens: Sequence[int]) -> bool:
        whole = self.prefill(0, tokens, 0).copy()
        self.prefill(0, tokens[:2], 0)
        self.prefill(0, tokens[2:4], 2)
        parts = self.step(tokens[4:], [len(tokens)])[0]
        return bool(np.abs(whole - parts).max() <= TOLERANCE * max(1.0, float(whole.std())))

    def _run(self, bound: _Bound, mask: Whole) -> Floats:
        bound.binding.bind_cpu_input("attention_mask", mask)
        bound.mask = mask
        self._session.run_with_iobinding(bound.binding)
        last: Floats = bound.logits[:, -1]
        return last

    def _bind(self, slot: int, count: int, new: int) -> _Bound:
        """Binds everything but the mask, for `count` sequences from a slot on."""
        ids, positions = np.zeros((count, new), np.int64), np.zeros((count, new), np.int64)
        logits = np.zeros((count, 1 if self._last_only else new, self._form.vocab), np.float32)
        binding = self._session.io_binding()
        binding.bind_input("input_ids", *_place(ids))
        if self._positioned:
            binding.bind_input("position_ids", *_place(positions))
        binding.bind_output("logits", *_place(logits))
        for name, cache in self._cache.items():
            place = _place(cache[slot : slot + count])
            binding.bind_input(name, *place)
            binding.bind_output(name.replace("past_key_values", "present"), *place)
        return _Bound(binding, ids, positions, logits, ids)


def cache_names(form: DecoderFormat) -> list[str]:
    """The inputs that hold keys and values."""
    layers = range(form.layers)
    return [f"past_key_values.{layer}.{part}" for layer in layers for part in ("key", "value")]


def check_graph(session: Any, manifest: Manifest, form: DecoderFormat) -> set[str]:
    """The names of the graph's inputs; raises BadModel where it is not what the manifest says."""
    inputs = {each.name: each for each in session.get_inputs()}
    outputs = {each.name: each for each in session.get_outputs()}
    cache = cache_names(form)
    _check_names(manifest, "takes", set(inputs) - {"position_ids"}, {*_IDS, *cache})
    presents = {name.replace("past_key_values", "present") for name in cache}
    _check_names(manifest, "gives", set(outputs), {"logits", *presents})
    for name, each in (inputs | outputs).items():
        wanted = "tensor(int64)" if name in (*_IDS, "position_ids") else "tensor(float)"
        if each.type != wanted:
            raise BadModel(f"{name} of {manifest.ref} is {each.type}, expected {wanted}.")
    _check_shape(manifest, outputs["logits"], (None, None, form.vocab))
    if session.get_outputs()[0].name != "logits":
        raise BadModel(f"The first output of {manifest.ref} is not logits.")
    for name in cache:
        _check_shape(manifest, inputs[name], (None, form.kv_heads, None, form.head_dim))
    return set(inputs)


_IDS = ("input_ids", "attention_mask")


def _check_names(manifest: Manifest, verb: str, found: set[str], wanted: set[str]) -> None:
    if found != wanted:
        lacking, more = sorted(wanted - found)[:4], sorted(found - wanted)[:4]
        raise BadModel(
            f"{manifest.ref} {verb} other values than a decoder of its manifest: "
            f"it lacks {', '.join(lacking) or 'none'} and has besides {', '.join(more) or 'none'}."
        )


def _check_shape(manifest: Manifest, value: Any, wanted: tuple[int | None, ...]) -> None:
    fits = len(value.shape) == len(wanted) and all(
        need is None or not isinstance(size, int) or size == need
        for size, need in zip(value.shape, wanted, strict=True)
    )
    if not fits:
        raise BadModel(f"{value.name} of {manifest.ref} has the shape {value.shape}, not {wanted}.")


def _place(array: NDArray[Any]) -> tuple[str, int, Any, tuple[int, ...], int]:
    """How a binding is told of memory on the CPU."""
    return "cpu", 0, array.dtype.type, array.shape, array.ctypes.data
