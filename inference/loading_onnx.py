"""Puts together what one process runs: plugins or a generator, model versions, ONNX Runtime."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from inference import registry
from inference.engine_onnx import OnnxEngine
from inference.generators import LoadedGenerators
from inference.loading import LoadedPlugins, Observer
from inference.runtime_onnx import CPU, Execution, OnnxRuntime
from inference.scoring import Scorer
from inference.versions import ActiveVersion, Manifest


def loaded_plugins(
    paths: Sequence[str],
    *,
    provider: str = CPU,
    observer: Observer | None = None,
    observe_tokens: Callable[[int], None] | None = None,
) -> LoadedPlugins:
    """The plugins of these dotted paths and of the entry points, with nothing loaded yet."""
    opener: Callable[[Path, Manifest], OnnxRuntime] = functools.partial(
        OnnxRuntime, execution=Execution(provider=provider), observe_tokens=observe_tokens
    )
    return LoadedPlugins(registry.find(paths), opener, observer=observer)


def fixed_scorer(
    paths: Sequence[str], active: Mapping[str, ActiveVersion], *, provider: str = CPU
) -> Scorer:
    """A scorer that keeps the given versions: for programs that end, such as `analyze`."""
    plugins = loaded_plugins(paths, provider=provider)
    plugins.sync(active)
    return Scorer(plugins.lineup)


def loaded_generators(
    paths: Sequence[str], name: str, *, memory_mb: int, observer: Observer | None = None
) -> LoadedGenerators:
    """The generator of this name among the same plugins, with nothing loaded yet."""
    opener = functools.partial(OnnxEngine, memory_mb=memory_mb)
    return LoadedGenerators(registry.find(paths), name, opener, observer=observer)
