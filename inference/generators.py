"""The generator that one process has loaded, and how a new version takes an old one's place."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from inference import versions
from inference.engine import Engine, ModelGenerator
from inference.errors import BadModel, ModelUnavailable, NotFound, RtaiError
from inference.generator import Cancellation, Ended, Prompt, Role, Sampling, Turn
from inference.loading import NO_VERSION, RETRY_S, Observer
from inference.registry import Registry, describe
from inference.versions import ActiveVersion, Manifest

logger = logging.getLogger(__name__)

TRIAL = Prompt((Turn(Role.USER, "Good morning."),), Sampling(max_tokens=4, temperature=0.7, seed=1))


@dataclass(frozen=True, slots=True)
class LoadedGenerator:
    """A generator that was tried, and the digest of its version."""

    generator: ModelGenerator
    digest: str


class LoadedGenerators:
    """Keeps the active version of one generator loaded, and swaps it between generations.

    An answer under way ends on the version it began with, which is freed with its last answer:
    so ask for `current` anew for each answer.
    """

    def __init__(  # noqa: PLR0913 - half of them have defaults
        self,
        registry: Registry,
        name: str,
        open_engine: Callable[[Path, Manifest], Engine],
        *,
        observer: Observer | None = None,
        retry_s: float = RETRY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._name = name
        self._open_engine = open_engine
        self._observer = observer
        self._retry_s = retry_s
        self._clock = clock
        self._lock = threading.Lock()
        self._loaded: LoadedGenerator | None = None
        self._failed: tuple[str, float] = ("", 0.0)
        self._reason = NO_VERSION

    @property
    def reason(self) -> str:
        """Why the wanted version is not loaded; empty if it is."""
        return self._reason

    def current(self) -> ModelGenerator:
        """What the next answer is written with; raises ModelUnavailable with the reason."""
        loaded = self._loaded
        if loaded is None:
            raise ModelUnavailable(f"The generator {self._name!r} is not loaded: {self._reason}.")
        return loaded.generator

    def sync(self, active: Mapping[str, ActiveVersion]) -> None:
        """Loads the active version beside the loaded one, tries it, and swaps.

        One that fails leaves the old one in place, and is tried again after `retry_s` or when
        another becomes active. Never raises for what a version does.
        """
        version = active.get(self._name)
        with self._lock:
            if version is None:
                self._swap(None, NO_VERSION)
            elif self._loaded and self._loaded.digest == version.digest:
                self._reason = ""
            elif not self._failed_lately(version):
                self._try(version)

    def _try(self, version: ActiveVersion) -> None:
        try:
            generator = tried(self._load(version))
        except (Exception, SystemExit) as error:  # Whatever foreign code may raise.
            self._fail(version, error)
        else:
            self._failed = ("", 0.0)
            self._swap(LoadedGenerator(generator, version.digest), "")
            if self._observer:
                self._observer.succeeded(version)

    def _load(self, version: ActiveVersion) -> ModelGenerator:
        kind = self._kind()
        manifest = versions.load(version.path)
        if manifest.digest != version.digest:
            raise BadModel(
                f"{version.ref} in {version.path} has the digest {manifest.digest}, "
                f"expected {version.digest}."
            )
        versions.check_decoder(manifest, self._name)
        return kind(self._open_engine(version.path, manifest))

    def _kind(self) -> type[ModelGenerator]:
        try:
            return self._registry.generator(self._name)
        except NotFound as error:
            broken = "; ".join(f"{each.source}: {each.reason}" for each in self._registry.broken)
            raise BadModel(f"{error.detail} Broken: {broken or 'none'}.") from None

    def _swap(self, new: LoadedGenerator | None, reason: str) -> None:
        old, self._loaded, self._reason = self._loaded, new, reason
        if self._observer and old:
            self._observer.unloaded(self._name, *_shown(old))
        if new:
            logger.info("Generator %s runs %s on %s", self._name, *_shown(new))
        if self._observer and new:
            self._observer.loaded(self._name, *_shown(new))

    def _fail(self, version: ActiveVersion, error: BaseException) -> None:
        self._reason = error.detail if isinstance(error, RtaiError) else describe(error)
        self._failed = (version.digest, self._clock())
        kept = self._loaded.generator.version if self._loaded else "nothing"
        logger.error(
            "Generator %s cannot load %s: %s It keeps %s.",
            self._name,
            version.ref,
            self._reason,
            kept,
        )
        if self._observer:
            self._observer.failed(version, self._reason)

    def _failed_lately(self, version: ActiveVersion) -> bool:
        digest, at = self._failed
        return digest == version.digest and self._clock() - at < self._retry_s


def tried(generator: ModelGenerator) -> ModelGenerator:
    """The generator, after it wrote a few tokens as the contract promises.

    Raises what it raises, and BadModel where it ends otherwise than promised.
    """
    pieces = list(generator.generate(TRIAL, Cancellation()))
    if not pieces or not isinstance(pieces[-1], Ended):
        raise BadModel(f"{generator.version} ends {len(pieces)} pieces without saying why.")
    return generator


def _shown(loaded: LoadedGenerator) -> tuple[str, str]:
    return loaded.generator.version, loaded.generator.engine.provider
