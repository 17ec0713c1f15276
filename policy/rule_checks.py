"""Whether a rule looks at a score that its plugin gives."""

from functools import cache

from django.conf import settings

from inference import registry
from inference.registry import Registry


def doubt(plugin: str, label: str) -> str:
    """What is wrong with a rule's label, or nothing.

    A plugin that is not known here may be installed where workers run; if it is not, messages are
    held, and `/readyz` says so.
    """
    found = _registry(tuple(settings.RTAI_PLUGINS)).plugins.get(plugin)
    if found is None or label in found.labels:
        return ""
    return f"The plugin {plugin} has no label {label!r}; it has {', '.join(found.labels)}."


@cache
def _registry(paths: tuple[str, ...]) -> Registry:
    return registry.find(paths)
