"""The limit: the same texts through the same models in a loop of ONNX Runtime, and nothing else."""

import multiprocessing
import os
import time
from pathlib import Path

from benchmarks.chatting import texts
from tests.product import ROOT

JUDGES = ("moderation", "sentiment")
"""The plugins that judge each message."""


def folders() -> list[Path]:
    """The newest shipped version of each plugin's model: what a fresh installation runs."""
    from inference import versions

    newest = dict[str, tuple[tuple[int, ...], Path]]()
    for path in (ROOT / "plugins" / "models").glob(f"*/{versions.MANIFEST}"):
        manifest = versions.load(path.parent)
        found = tuple(int(part) for part in manifest.version.split(".")), path.parent
        newest[manifest.plugin] = max(newest.get(manifest.plugin, found), found)
    return [newest[plugin][1] for plugin in JUDGES]


def rate(count: int, batch: int) -> float:
    """Texts a second through both shipped models, in batches, in a process of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return float(pool.apply(_rate, (count, batch)))


def _rate(count: int, batch: int) -> float:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from inference import versions
    from inference.runtime_onnx import OnnxRuntime

    runtimes = [OnnxRuntime(folder, versions.load(folder)) for folder in folders()]
    found = texts(count)
    for runtime in runtimes:
        runtime.run(found[:batch])
    started = time.perf_counter()
    for start in range(0, count, batch):
        for runtime in runtimes:
            runtime.run(found[start : start + batch])
    return count / (time.perf_counter() - started)
