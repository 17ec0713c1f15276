"""Which plugins there are: found by dotted path and by entry point, each checked by itself."""

import importlib
import importlib.metadata
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from inference.engine import ModelGenerator
from inference.errors import NotFound
from inference.plugin import Plugin

GROUP = "rtai.plugins"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that cannot be used: where it was named, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Registry:
    """What was found, by name and in order: what scores, what writes, and what is broken.

    Iterating gives the plugins that score.
    """

    plugins: Mapping[str, type[Plugin]] = field(default_factory=dict)
    broken: tuple[BrokenPlugin, ...] = ()
    generators: Mapping[str, type[ModelGenerator]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[type[Plugin]]:
        return iter(self.plugins.values())

    def __len__(self) -> int:
        return len(self.plugins)

    def get(self, name: str) -> type[Plugin]:
        """The plugin of this name; raises NotFound, which lists what is registered."""
        if name not in self.plugins:
            known = ", ".join(self.plugins) or "none"
            raise NotFound(f"No plugin named {name!r}; registered: {known}.")
        return self.plugins[name]

    def generator(self, name: str) -> type[ModelGenerator]:
        """The generator of this name; raises NotFound, which lists what is registered."""
        if name not in self.generators:
            known = ", ".join(self.generators) or "none"
            raise NotFound(f"No generator named {name!r}; registered: {known}.")
        return self.generators[name]


Found = type[Plugin] | type[ModelGenerator]
Source = tuple[str, Callable[[], object]]
"""What people call a plugin's origin, and how to import it."""


def find(paths: Iterable[str], entry_points: Iterable[Source] | None = None) -> Registry:
    """All plugins named by dotted path or installed as entry points.

    One that cannot be imported or is malformed ends up in `broken`, and the others stay.
    """
    installed = _installed() if entry_points is None else entry_points
    found: dict[str, Found] = {}
    broken: list[BrokenPlugin] = []
    for source, load in [*((path, _importer(path)) for path in paths), *installed]:
        try:
            plugin = check(load())
            if found.setdefault(plugin.name, plugin) is not plugin:
                raise TypeError(f"the name {plugin.name!r} is taken by {_path(found, plugin)}")
        except (Exception, SystemExit) as error:  # Whatever importing foreign code may raise.
            broken.append(BrokenPlugin(source, describe(error)))
    return Registry(
        {name: each for name, each in found.items() if issubclass(each, Plugin)},
        tuple(broken),
        {name: each for name, each in found.items() if issubclass(each, ModelGenerator)},
    )


def check(found: object) -> Found:
    """The object as a plugin class; raises TypeError that says what is wrong with it."""
    if not (isinstance(found, type) and issubclass(found, (Plugin, ModelGenerator))):
        raise TypeError(
            f"{found!r} is not a subclass of inference.plugin.Plugin "
            "or inference.engine.ModelGenerator"
        )
    if inspect.isabstract(found):
        raise TypeError(f"{found.__name__} does not implement predict")
    name: object = getattr(found, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise TypeError(f"{found.__name__}.name is {name!r}, expected text like {_NAME.pattern}")
    if issubclass(found, Plugin):
        _check_labels(found)
    return found


def _check_labels(found: type[Plugin]) -> None:
    labels: object = getattr(found, "labels", None)
    if not isinstance(labels, tuple) or not labels or not all(map(_is_label, labels)):
        raise TypeError(
            f"{found.__name__}.labels is {labels!r}, expected a tuple of names like {_NAME.pattern}"
        )
    if len(set(labels)) != len(labels):
        raise TypeError(f"{found.__name__}.labels names a label twice")


def describe(error: BaseException) -> str:
    """An error's kind and first line, short enough for a table."""
    first = (str(error).strip() or "no further word").splitlines()[0]
    return f"{type(error).__name__}: {first}"[:300]


def _is_label(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _path(found: Mapping[str, Found], plugin: Found) -> str:
    first = found[plugin.name]
    return f"{first.__module__}.{first.__qualname__}"


def _importer(path: str) -> Callable[[], object]:
    def load() -> object:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)

    return load


def _installed() -> list[Source]:
    found = importlib.metadata.entry_points(group=GROUP)
    return [(f"{GROUP}: {each.name} = {each.value}", each.load) for each in found]
