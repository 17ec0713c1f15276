"""Whether a rule looks at a score that its plugin gives."""

from collections.abc import Iterable
from functools import cache

from inference import registry
from inference.registry import Registry


def doubt(plugin: str, label: str, paths: Iterable[str]) -> str:
    """What is wrong with a rule's label, or nothing; `paths` are those of the plugins.

    A plugin that is not known here may be installed where workers run; if it is not, messages are
    held, and `/readyz` says so.
    """
    found = _registry(tuple(paths)).plugins.get(plugin)
    if found is None or label in found.labels:
        return ""
    return f"The plugin {plugin} has no label {label!r}; it has {', '.join(found.labels)}."


@cache
def _registry(paths: tuple[str, ...]) -> Registry:
    return registry.find(paths)
