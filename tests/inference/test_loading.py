"""Swapping versions while texts are scored."""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from inference import versions
from inference.loading import LoadedPlugins
from inference.plugin import Plugin
from inference.registry import BrokenPlugin, Registry
from inference.scoring import Scorer
from inference.versions import ActiveVersion, Manifest
from tests.inference import small_models
from tests.inference.clock import Clock
from tests.inference.manners import Manners, Shouting
from tests.inference.small_models import FakeRuntime

WAIT_S = 10


class Observer:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def loaded(self, plugin: str, version: str, provider: str) -> None:
        self.seen.append(f"loaded {plugin} {version.partition('+')[0]} {provider}")

    def unloaded(self, plugin: str, version: str, provider: str) -> None:
        self.seen.append(f"unloaded {plugin} {version.partition('+')[0]} {provider}")

    def failed(self, version: ActiveVersion, reason: str) -> None:
        self.seen.append(f"failed {version.ref}")

    def succeeded(self, version: ActiveVersion) -> None:
        self.seen.append(f"succeeded {version.ref}")


def fake(folder: Path, manifest: Manifest) -> FakeRuntime:
    return FakeRuntime(manifest.labels)


def active(folder: Path) -> dict[str, ActiveVersion]:
    manifest = versions.read(folder)
    return {manifest.plugin: ActiveVersion(manifest.plugin, manifest.ref, manifest.digest, folder)}


def registry(*plugins: type[Plugin]) -> Registry:
    return Registry({plugin.name: plugin for plugin in plugins})


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return small_models.version(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return small_models.version(tmp_path / "second", version="2.0.0")


def refs(plugins: LoadedPlugins) -> list[str]:
    return [each.version.partition("+")[0] for each in plugins.lineup().loaded]


def test_before_any_version_is_active_the_plugin_is_missing() -> None:
    plugins = LoadedPlugins(registry(Manners), fake)

    plugins.sync({})

    assert plugins.lineup().loaded == ()
    assert plugins.lineup().missing == {"manners": "no active model version"}


def test_an_active_version_is_loaded_warmed_and_named(first: Path) -> None:
    observer = Observer()
    plugins = LoadedPlugins(registry(Manners), fake, observer=observer)

    plugins.sync(active(first))

    (loaded,) = plugins.lineup().loaded
    assert loaded.version == versions.read(first).tag
    assert loaded.plugin.runtime.warm  # type: ignore[attr-defined]
    assert observer.seen == ["loaded manners small@1.0.0 FakeProvider", "succeeded small@1.0.0"]
    assert plugins.errors == {}


def test_the_same_version_is_loaded_once(first: Path) -> None:
    opened: list[Path] = []

    def counting(folder: Path, manifest: Manifest) -> FakeRuntime:
        opened.append(folder)
        return FakeRuntime()

    plugins = LoadedPlugins(registry(Manners), counting)

    plugins.sync(active(first))
    lineup = plugins.lineup()
    plugins.sync(active(first))

    assert opened == [first]
    assert plugins.lineup() is lineup


def test_another_active_version_takes_the_first_ones_place(first: Path, second: Path) -> None:
    observer = Observer()
    plugins = LoadedPlugins(registry(Manners), fake, observer=observer)

    plugins.sync(active(first))
    plugins.sync(active(second))

    assert refs(plugins) == ["small@2.0.0"]
    assert observer.seen[-3:] == [
        "unloaded manners small@1.0.0 FakeProvider",
        "loaded manners small@2.0.0 FakeProvider",
        "succeeded small@2.0.0",
    ]


def test_a_batch_under_way_ends_on_the_version_it_began_with(first: Path, second: Path) -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow(FakeRuntime):
        def run(self, texts: Sequence[str]) -> list[list[float]]:
            if texts == ["wait"]:
                began.set()
                assert go_on.wait(WAIT_S)
            return super().run(texts)

    plugins = LoadedPlugins(registry(Manners), lambda folder, manifest: Slow())
    scorer = Scorer(plugins.lineup)
    plugins.sync(active(first))

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(scorer.score, ["wait"])
        assert began.wait(WAIT_S)
        plugins.sync(active(second))
        (new,) = scorer.score(["hello"])
        go_on.set()
        (old,) = waiting.result(WAIT_S)

    assert old.models["manners"].startswith("small@1.0.0+")
    assert new.models["manners"].startswith("small@2.0.0+")
    assert old.failures == new.failures == {}


def break_file(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def change_file(folder: Path) -> None:
    (folder / "card.md").write_text("another card")


def change_labels(folder: Path) -> None:
    small_models.write_manifest(folder, version="2.0.0", labels=["kind", "rude"])


def change_plugin(folder: Path) -> None:
    small_models.write_manifest(folder, version="2.0.0", plugin="moderation")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(break_file, "missing", id="missing file"),
        pytest.param(change_file, "expected sha256:", id="checksum differs"),
        pytest.param(change_labels, "labels kind, rude", id="wrong labels"),
        pytest.param(change_plugin, "made for 'moderation'", id="another plugin's"),
    ],
)
def test_a_version_that_fails_leaves_the_old_one_in_place(
    damage: object, said: str, first: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    observer = Observer()
    plugins = LoadedPlugins(registry(Manners), fake, observer=observer)
    plugins.sync(active(first))
    assert callable(damage)
    damage(second)

    wanted = active(second)
    plugins.sync({"manners": next(iter(wanted.values()))})

    assert refs(plugins) == ["small@1.0.0"]
    assert said in plugins.errors["manners"]
    assert observer.seen[-1] == "failed small@2.0.0"


def test_a_manifest_changed_after_its_registration_is_refused(
    first: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    registered = active(first)
    small_models.write_manifest(first, licence="MIT")
    plugins = LoadedPlugins(registry(Manners), fake)

    plugins.sync(registered)

    assert "has the digest" in plugins.lineup().missing["manners"]


def test_a_failed_version_is_tried_again_after_a_while(
    first: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    tries: list[str] = []
    clock = Clock()

    def flaky(folder: Path, manifest: Manifest) -> FakeRuntime:
        tries.append(manifest.ref)
        if tries == ["small@1.0.0", "small@2.0.0"]:
            raise MemoryError("not now")
        return FakeRuntime()

    plugins = LoadedPlugins(registry(Manners), flaky, retry_s=30, clock=clock)
    plugins.sync(active(first))
    plugins.sync(active(second))
    plugins.sync(active(second))
    assert plugins.errors == {"manners": "MemoryError: not now"}

    clock.now += 31
    plugins.sync(active(second))

    assert tries == ["small@1.0.0", "small@2.0.0", "small@2.0.0"]
    assert refs(plugins) == ["small@2.0.0"]
    assert plugins.errors == {}


def test_going_back_from_a_failed_version_clears_its_error(
    first: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    plugins = LoadedPlugins(registry(Manners), fake)
    plugins.sync(active(first))
    wanted = active(second)
    break_file(second)

    plugins.sync(wanted)
    plugins.sync(active(first))

    assert refs(plugins) == ["small@1.0.0"]
    assert plugins.errors == {}


def test_a_version_that_scores_nonsense_is_never_swapped_in(
    first: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)

    class Nonsense(FakeRuntime):
        def run(self, texts: Sequence[str]) -> list[list[float]]:
            return [[float("nan"), 0.0] for _ in texts]

    plugins = LoadedPlugins(
        registry(Manners),
        lambda folder, manifest: Nonsense() if manifest.version == "2.0.0" else FakeRuntime(),
    )

    plugins.sync(active(first))
    plugins.sync(active(second))

    assert refs(plugins) == ["small@1.0.0"]
    assert "rude is nan" in plugins.errors["manners"]


def test_a_plugin_without_a_model_runs_beside_one_that_is_missing() -> None:
    plugins = LoadedPlugins(registry(Manners, Shouting), fake)
    plugins.sync({})

    (scores,) = Scorer(plugins.lineup).score(["HEY"])

    assert scores.by_plugin == {"shouting": {"loud": 1.0}}
    assert scores.models == {"shouting": "shouting@code"}
    assert scores.failures == {"manners": "no active model version"}


def test_a_version_that_is_no_longer_active_is_unloaded(first: Path) -> None:
    plugins = LoadedPlugins(registry(Manners), fake)
    plugins.sync(active(first))

    plugins.sync({})

    assert plugins.lineup().loaded == ()


def test_plugins_that_could_not_be_imported_are_among_the_errors() -> None:
    broken = Registry({}, (BrokenPlugin("thirdparty.Bad", "ImportError: gone"),))

    plugins = LoadedPlugins(broken, fake)

    assert plugins.errors == {"thirdparty.Bad": "ImportError: gone"}
