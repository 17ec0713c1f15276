"""Puts together what scores texts in one process: plugins, model versions, ONNX Runtime."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from inference import registry
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
