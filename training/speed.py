"""Times one text through a whole plugin on one core: normalised, tokenised, judged.

`python -m training.speed --data DIR --folder DIR`, while nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from inference.plugin import Plugin
from inference.runtime_onnx import OnnxRuntime
from plugins.moderation import Moderation
from plugins.sentiment import Sentiment
from training.benign import benign_rows
from training.scores import opened

TOKENS = 16
RUNS = 200
PLUGINS: dict[tuple[str, ...], type[Plugin]] = {
    each.labels: each for each in (Moderation, Sentiment)
}


def texts_of(runtime: OnnxRuntime, data: Path, tokens: int, wanted: int) -> list[str]:
    """Harmless messages of exactly so many tokens, marks included, each another one."""
    messages = (row.text for row in benign_rows(data))
    right = (text for text in messages if _lengths(runtime, text) == [tokens])
    return list(islice(right, wanted))


def _lengths(runtime: OnnxRuntime, text: str) -> list[int]:
    return [len(ids) for ids in runtime.windows.cut(text).windows]


def median_milliseconds(plugin: Plugin, texts: Sequence[str], runs: int = RUNS) -> float:
    """The median time of one text alone, after as many that warm it up."""
    with _one_core():
        for text in islice(cycle(texts), runs):
            plugin.predict([text])
        return float(
            np.median([_milliseconds(plugin, text) for text in islice(cycle(texts), runs)])
        )


def _milliseconds(plugin: Plugin, text: str) -> float:
    start = time.perf_counter()
    plugin.predict([text])
    return 1e3 * (time.perf_counter() - start)


@contextmanager
def _one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def of_folder(folder: Path, data: Path) -> float:
    """Milliseconds for one text of 16 tokens."""
    runtime = opened(folder)
    plugin = PLUGINS[runtime.labels](runtime)
    return median_milliseconds(plugin, texts_of(runtime, data, TOKENS, RUNS))


def processor() -> str:
    """What the processor calls itself."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the public data sets")
    parser.add_argument("--folder", type=Path, required=True, help="model folder")
    asked = parser.parse_args()
    print(f"{of_folder(asked.folder, asked.data):.2f} ms on one core of: {processor()}")


if __name__ == "__main__":
    main()
