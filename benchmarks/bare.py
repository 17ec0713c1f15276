"""The limit: the same texts through the same models in a loop of ONNX Runtime, and nothing else."""

import multiprocessing
import os
import time

from benchmarks.chatting import texts
from tests.product import ROOT


def rate(count: int, batch: int) -> float:
    """Texts a second through both shipped models, in batches, in a process of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_rate, (count, batch)))


def _rate(count: int, batch: int) -> float:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from inference import versions
    from inference.runtime_onnx import OnnxRuntime

    folders = sorted((ROOT / "plugins" / "models").iterdir())
    runtimes = [OnnxRuntime(folder, versions.load(folder)) for folder in folders]
    found = texts(count)
    for runtime in runtimes:
        runtime.run(found[:batch])
    started = time.perf_counter()
    for start in range(0, count, batch):
        for runtime in runtimes:
            runtime.run(found[start : start + batch])
    return count / (time.perf_counter() - started)
