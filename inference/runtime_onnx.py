"""Runs a model version on ONNX Runtime: texts in, rows of probabilities out."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if os.environ.get("ORT_DISABLE_TELEMETRY") != "1":
    if "onnxruntime" in sys.modules:
        raise ImportError("ORT_DISABLE_TELEMETRY=1 must be set before onnxruntime is imported.")
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from inference.errors import BadModel, ModelUnavailable
from inference.types import PassageScore
from inference.versions import MODEL, TOKENIZER, Manifest
from inference.windows_onnx import Cut, Ids, Windows

logger = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
INPUTS = {"input_ids": "tensor(int64)", "attention_mask": "tensor(int64)"}
OUTPUT = "probabilities"
PROVIDER_OPTIONS: Mapping[str, Mapping[str, str]] = {CUDA: {"use_tf32": "0"}}
"""A GPU that rounds factors to eleven bits decides some texts otherwise than a processor."""
BATCH_TOKENS = {CPU: 128, CUDA: 16_384}
"""Padded tokens of one run; more text is run in several.

A processor is as fast for each token with 64 as with 1,000, so small runs of texts of like length
win what padding would cost: 32 texts of 5 to 25 tokens take two thirds of the time. A GPU wants
all at once.
"""
WARM_UP = ((1, 4), (1, 16), (8, 16), (32, 32))
"""Texts and words of the runs before a version is used."""

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Execution:
    """How a model is run.

    `provider` is the execution provider asked for. ONNX Runtime falls back to the CPU in
    silence; here that raises BadModel, or is logged as an error where `allow_fallback` is set.
    """

    provider: str = CPU
    threads: int = 1
    allow_fallback: bool = False
    max_batch_tokens: int | None = None
    """Padded tokens of one run; None for what suits the provider."""


class OnnxRuntime:
    """A loaded model version. Safe to call from several threads at once.

    `observe_tokens` is told the padded tokens of each run. Raises BadModel.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        execution: Execution = Execution(),
        *,
        observe_tokens: Callable[[int], None] | None = None,
    ) -> None:
        self.labels = manifest.labels
        self._manifest = manifest
        usual = BATCH_TOKENS.get(execution.provider, BATCH_TOKENS[CPU])
        self._max_batch_tokens = execution.max_batch_tokens or usual
        self._observe_tokens = observe_tokens
        self.windows = Windows(folder / TOKENIZER, manifest)
        self._session = open_session(folder / MODEL, manifest, execution)
        self.provider = str(self._session.get_providers()[0])
        _check_provider(manifest, execution, self.provider)
        _check_graph(self._session, manifest)

    def warm_up(self) -> None:
        """Runs a few shapes, so that the first message does not wait; raises ModelUnavailable."""
        for texts, words in WARM_UP:
            self.run(["word " * words] * texts)

    def run(self, texts: Sequence[str]) -> list[list[float]]:
        """One row of probabilities per text, in order; raises ModelUnavailable.

        Windows of all texts run sorted by length, so that little is padded; each text's row
        is reduced from its own windows only.
        """
        cuts = [self.windows.cut(text) for text in texts]
        windows = [(row, ids) for row, cut in enumerate(cuts) for ids in cut.windows]
        windows.sort(key=lambda window: len(window[1]))
        rows: list[list[Rows]] = [[] for _ in texts]
        for batch in self._batches(windows):
            answers = self._run([ids for _, ids in batch])
            for (row, _), answer in zip(batch, answers, strict=True):
                # A text's windows are all of one length, so sorting has left them in order.
                rows[row].append(answer)
        return [_reduce(found, cut) for found, cut in zip(rows, cuts, strict=True)]

    def _batches(self, windows: list[tuple[int, Ids]]) -> Iterator[list[tuple[int, Ids]]]:
        """Consecutive windows, sorted by length, whose padded tokens stay within the budget."""
        batch: list[tuple[int, Ids]] = []
        for window in windows:
            if batch and len(window[1]) * (len(batch) + 1) > self._max_batch_tokens:
                yield batch
                batch = []
            batch.append(window)
        if batch:
            yield batch

    def _run(self, batch: list[Ids]) -> Rows:
        width = max(map(len, batch))
        ids = np.full((len(batch), width), self.windows.pad, dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, window in enumerate(batch):
            ids[row, : len(window)] = window
            mask[row, : len(window)] = 1
        if self._observe_tokens:
            self._observe_tokens(ids.size)
        (answer,) = self._session.run([OUTPUT], {"input_ids": ids, "attention_mask": mask})
        if answer.shape != (len(batch), len(self.labels)):
            raise ModelUnavailable(
                f"{self._manifest.ref} answered with the shape {answer.shape}, "
                f"expected {(len(batch), len(self.labels))}."
            )
        return np.asarray(answer, dtype=np.float32)


def _reduce(windows: list[Rows], cut: Cut) -> list[float]:
    """One score for each label: the worst window's, with its place, or the mean of all."""
    if len(windows) == 1:
        return [float(value) for value in windows[0]]
    stacked = np.stack(windows)
    if not cut.spans:
        return [float(value) for value in stacked.mean(axis=0, dtype=np.float64)]
    return [
        PassageScore(float(stacked[window, label]), cut.spans[window])
        for label, window in enumerate(stacked.argmax(axis=0))
    ]


def open_session(
    path: Path,
    manifest: Manifest,
    execution: Execution,
    weights: Mapping[str, NDArray[np.int8]] | None = None,
) -> Any:
    """ONNX Runtime's session of a graph, to which it may lack these weights; raises BadModel."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = execution.threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = False  # Every batch has another shape.
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if execution.provider == CUDA:
        onnxruntime.preload_dlls()  # Finds the CUDA libraries that pip installed.
    # A provider that is not installed is left out here, and missed by the check that follows.
    available = onnxruntime.get_available_providers()
    wanted = [name for name in dict.fromkeys((execution.provider, CPU)) if name in available]
    providers = [(name, PROVIDER_OPTIONS.get(name, {})) for name in wanted]
    given = weights or {}
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(each) for each in given.values()]
    options.add_external_initializers(list(given), values)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # The library's errors share no base.
        first = str(error).splitlines()[0][:200]
        raise BadModel(f"{path.name} of {manifest.ref} cannot be loaded: {first}") from error
    session.given = given  # The runtime reads them where they are.
    return session


def _check_provider(manifest: Manifest, execution: Execution, got: str) -> None:
    if got == execution.provider:
        return
    available = ", ".join(onnxruntime.get_available_providers())
    problem = f"{manifest.ref} runs on {got}, not on {execution.provider}; installed: {available}."
    if not execution.allow_fallback:
        raise BadModel(problem)
    logger.error("%s", problem)


def _check_graph(session: Any, manifest: Manifest) -> None:
    inputs = {each.name: each.type for each in session.get_inputs()}
    if inputs != INPUTS:
        raise BadModel(f"{manifest.ref} takes {inputs}, expected {INPUTS}.")
    outputs = {each.name: each for each in session.get_outputs()}
    if OUTPUT not in outputs or outputs[OUTPUT].type != "tensor(float)":
        found = {name: each.type for name, each in outputs.items()}
        raise BadModel(f"{manifest.ref} gives {found}, expected {OUTPUT}: tensor(float).")
    shape = outputs[OUTPUT].shape
    if len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != len(manifest.labels)):
        raise BadModel(
            f"{manifest.ref} gives the shape {shape}, "
            f"expected [batch, {len(manifest.labels)}] for its labels."
        )
