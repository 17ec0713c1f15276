"""The plugins that one process has loaded, and how a new version takes an old one's place."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from inference import versions
from inference.errors import BadModel
from inference.plugin import Plugin
from inference.registry import Registry, describe
from inference.runtime import Runtime
from inference.scoring import Lineup, Loaded, check_rows
from inference.versions import ActiveVersion, Manifest

logger = logging.getLogger(__name__)

RETRY_S = 30.0
"""How long a version that failed to load is left alone."""
TRIAL = ("Good morning.", "x", "One more text, a little longer than the others. " * 20)
NO_VERSION = "no active model version"
CODE = "code"
"""Version and provider of a plugin that runs no model."""


class Warmable(Runtime, Protocol):
    """A runtime that can be run before it is used."""

    def warm_up(self) -> None: ...


class Observer(Protocol):
    """Who wants to know what was loaded, and what was not."""

    def loaded(self, plugin: str, version: str, provider: str) -> None: ...

    def unloaded(self, plugin: str, version: str, provider: str) -> None: ...

    def failed(self, version: ActiveVersion, reason: str) -> None: ...

    def succeeded(self, version: ActiveVersion) -> None: ...


class LoadedPlugins:
    """Keeps one loaded version of each plugin, and swaps it for another while texts are scored.

    `lineup()` is what a batch takes at its start and keeps to its end: a version that was
    swapped meanwhile finishes the batches that hold it, and is freed with the last of them.
    """

    def __init__(
        self,
        registry: Registry,
        open_runtime: Callable[[Path, Manifest], Warmable],
        *,
        observer: Observer | None = None,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._open_runtime = open_runtime
        self._observer = observer
        self._retry_s = retry_s
        self._clock = clock
        self._lock = threading.Lock()
        self._digests: dict[str, str] = {}
        self._failed: dict[str, tuple[str, float, str]] = {}
        self._current: dict[str, Loaded] = {}
        self._lineup = Lineup(missing={plugin.name: NO_VERSION for plugin in registry})

    def lineup(self) -> Lineup:
        """The plugins to score a batch with."""
        return self._lineup

    @property
    def errors(self) -> dict[str, str]:
        """Why plugins are missing or kept at their old version, by name or by origin."""
        broken = {each.source: each.reason for each in self._registry.broken}
        failed = {name: reason for name, (_, _, reason) in dict(self._failed).items()}
        return {**broken, **self._lineup.missing, **failed}

    def sync(self, active: Mapping[str, ActiveVersion]) -> None:
        """Loads what is active and not loaded, beside what is; then swaps.

        A version that fails leaves the old one in place, and is tried again after `retry_s`
        or when another becomes active. Never raises for what a version or plugin does.
        """
        with self._lock:
            changed = [self._sync_one(plugin, active.get(plugin.name)) for plugin in self._registry]
            if any(changed):
                self._lineup = self._new_lineup(active)

    def _sync_one(self, plugin: type[Plugin], version: ActiveVersion | None) -> bool:
        name, wanted = plugin.name, _wanted(plugin, version)
        if wanted == self._digests.get(name) or self._failed_lately(name, wanted):
            # A failed version that is no longer wanted is no error any more.
            return wanted == self._digests.get(name) and bool(self._failed.pop(name, None))
        self._failed.pop(name, None)
        if not wanted:
            self._swap(name, None, "")
            return True
        try:
            self._swap(name, self._load(plugin, version), wanted)
        except (Exception, SystemExit) as error:  # Whatever foreign code may raise.
            self._fail(name, wanted, version, error)
        else:
            if self._observer and version and plugin.needs_model:
                self._observer.succeeded(version)
        return True

    def _load(self, plugin: type[Plugin], version: ActiveVersion | None) -> Loaded:
        if not plugin.needs_model or version is None:
            return Loaded(tried(plugin()), f"{plugin.name}@{CODE}", CODE)
        manifest = versions.load(version.path)
        if manifest.digest != version.digest:
            raise BadModel(
                f"{version.ref} in {version.path} has the digest {manifest.digest}, "
                f"expected {version.digest}."
            )
        versions.check_labels(manifest, plugin.name, plugin.labels)
        runtime = self._open_runtime(version.path, manifest)
        runtime.warm_up()
        return Loaded(tried(plugin(runtime)), manifest.tag, runtime.provider)

    def _swap(self, name: str, new: Loaded | None, digest: str) -> None:
        old = self._current.pop(name, None)
        self._digests[name] = digest
        if new:
            self._current[name] = new
            logger.info("Plugin %s runs %s on %s", name, new.version, new.provider)
        if self._observer and old:
            self._observer.unloaded(name, old.version, old.provider)
        if self._observer and new:
            self._observer.loaded(name, new.version, new.provider)

    def _fail(
        self, name: str, wanted: str, version: ActiveVersion | None, error: BaseException
    ) -> None:
        reason = error.detail if isinstance(error, BadModel) else describe(error)
        kept = self._current.get(name)
        self._failed[name] = (wanted, self._clock(), reason)
        logger.error(
            "Plugin %s cannot load %s: %s It keeps %s.",
            name,
            version.ref if version else CODE,
            reason,
            kept.version if kept else "nothing",
        )
        if self._observer and version:
            self._observer.failed(version, reason)

    def _failed_lately(self, name: str, wanted: str) -> bool:
        digest, at, _ = self._failed.get(name, ("", 0.0, ""))
        return bool(digest) and digest == wanted and self._clock() - at < self._retry_s

    def _new_lineup(self, active: Mapping[str, ActiveVersion]) -> Lineup:
        names = [plugin.name for plugin in self._registry]
        missing = {
            name: self._failed[name][2] if name in self._failed else NO_VERSION
            for name in names
            if name not in self._current
        }
        loaded = tuple(self._current[name] for name in names if name in self._current)
        return Lineup(loaded, missing)


def tried(plugin: Plugin) -> Plugin:
    """The plugin, after it scored a few texts as the contract promises; raises what it raises."""
    check_rows(plugin, plugin.predict(TRIAL), len(TRIAL))
    return plugin


def _wanted(plugin: type[Plugin], version: ActiveVersion | None) -> str:
    """What tells one load of a plugin from another; empty where there is nothing to load."""
    if not plugin.needs_model:
        return CODE
    return version.digest if version else ""
