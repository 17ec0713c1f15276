"""Swapping versions of a generator while it writes."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference import registry, versions
from inference.engine import ModelGenerator
from inference.engine_onnx import OnnxEngine
from inference.errors import ModelUnavailable, NotFound
from inference.generator import Cancellation, Ended, Finish, Piece, Prompt
from inference.generators import LoadedGenerators
from inference.versions import ActiveVersion, Manifest
from plugins.llm import Llm
from tests.inference import small_decoders, small_models
from tests.inference.clock import Clock
from tests.inference.small_decoders import prompt, written
from tests.inference.test_loading import Observer

LLM = "plugins.llm.Llm"


def opened(folder: Path, manifest: Manifest) -> OnnxEngine:
    return OnnxEngine(folder, manifest, memory_mb=16)


def loaded(paths: tuple[str, ...] = (LLM,), **options: object) -> LoadedGenerators:
    found = registry.find(paths, ())
    return LoadedGenerators(found, "llm", opened, **options)  # type: ignore[arg-type]


def active(folder: Path) -> dict[str, ActiveVersion]:
    manifest = versions.read(folder)
    return {"llm": ActiveVersion("llm", manifest.ref, manifest.digest, folder)}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return small_decoders.version(tmp_path / "first")


@pytest.fixture
def second(tmp_path: Path) -> Path:
    return small_decoders.version(tmp_path / "second", seed=1, version="2.0.0")


class Shouting(Llm):
    """Changes what the model writes."""

    name = "shouting"

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        for piece in super().generate(prompt, cancellation):
            yield Piece(piece.text.upper()) if isinstance(piece, Piece) else piece


class Endless(ModelGenerator):
    """Ends without saying why."""

    name = "llm"

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        yield Piece("hello")


def test_generators_come_in_through_the_door_of_plugins() -> None:
    found = registry.find(["plugins.sentiment.Sentiment", LLM], [("entry", lambda: Shouting)])

    assert list(found.plugins) == ["sentiment"]
    assert list(found.generators) == ["llm", "shouting"]
    assert [plugin.name for plugin in found] == ["sentiment"]
    assert found.generator("llm") is Llm
    with pytest.raises(NotFound, match="No generator named 'sentiment'; registered: llm, shouting"):
        found.generator("sentiment")


def test_a_generator_that_takes_anothers_name_is_reported() -> None:
    found = registry.find([LLM, f"{__name__}.Endless", f"{__name__}.Nothing"], ())

    assert list(found.generators) == ["llm"]
    assert ["taken by plugins.llm.Llm" in each.reason for each in found.broken] == [True, False]


def test_before_any_version_is_active_there_is_none_and_the_reason_is_told() -> None:
    generators = loaded()
    generators.sync({})

    with pytest.raises(ModelUnavailable, match="'llm' is not loaded: no active model version"):
        generators.current()


def test_the_active_version_is_loaded_and_writes(first: Path) -> None:
    observer = Observer()
    generators = loaded(observer=observer)

    generators.sync(active(first))

    generator = generators.current()
    text, ended = written(generator.generate(prompt(), Cancellation()))
    assert text
    assert ended.finish is Finish.LENGTH
    assert generator.version == versions.read(first).tag
    assert generator.context_tokens == 256
    assert generator.count_tokens(prompt().turns) == ended.prompt_tokens
    assert generators.reason == ""
    assert observer.seen == [
        "loaded llm babble@1.0.0 CPUExecutionProvider", "succeeded babble@1.0.0",
    ]  # fmt: skip


def test_the_same_version_is_loaded_once(first: Path) -> None:
    generators = loaded()

    generators.sync(active(first))
    generator = generators.current()
    generators.sync(active(first))

    assert generators.current() is generator


def test_an_answer_under_way_ends_on_the_version_it_began_with(first: Path, second: Path) -> None:
    generators = loaded()
    generators.sync(active(first))
    expected, _ = written(generators.current().generate(prompt(max_tokens=60), Cancellation()))

    running = generators.current().generate(prompt(max_tokens=60), Cancellation())
    begun = next(running)
    generators.sync(active(second))
    rest, _ = written(running)

    assert isinstance(begun, Piece)
    assert begun.text + rest == expected
    assert generators.current().version.startswith("babble@2.0.0+")
    new, _ = written(generators.current().generate(prompt(max_tokens=60), Cancellation()))
    assert new != expected


def break_file(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()


def change_file(folder: Path) -> None:
    (folder / "card.md").write_text("another card")


def other_plugin(folder: Path) -> None:
    small_decoders.write_manifest(folder, version="2.0.0", plugin="moderation")


def no_decoder(folder: Path) -> None:
    small_models.version(folder, version="2.0.0", plugin="llm")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(break_file, "missing", id="missing file"),
        pytest.param(change_file, "expected sha256:", id="checksum differs"),
        pytest.param(other_plugin, "made for 'moderation'", id="another plugin's"),
        pytest.param(no_decoder, "has no decoder", id="a model that scores"),
    ],
)
def test_a_version_that_fails_leaves_the_old_one_in_place(
    damage: object, said: str, first: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    observer = Observer()
    generators = loaded(observer=observer)
    generators.sync(active(first))
    assert callable(damage)
    damage(second)

    generators.sync(active(second))

    assert generators.current().version.startswith("babble@1.0.0+")
    assert said in generators.reason
    assert observer.seen[-1].startswith("failed ")


def test_a_manifest_changed_after_its_registration_is_refused(
    first: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    generators, registered = loaded(), active(first)
    small_decoders.write_manifest(first, licence="MIT")

    generators.sync(registered)

    with pytest.raises(ModelUnavailable, match="has the digest"):
        generators.current()


def test_a_generator_that_breaks_the_contract_is_never_swapped_in(
    first: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    generators = loaded((f"{__name__}.Endless",))

    generators.sync(active(first))

    with pytest.raises(ModelUnavailable, match="without saying why"):
        generators.current()


def test_a_generator_that_could_not_be_imported_is_missing_for_that_reason(
    first: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    generators = loaded(("thirdparty.Llm",))

    generators.sync(active(first))

    with pytest.raises(ModelUnavailable, match="No module named 'thirdparty'"):
        generators.current()


def test_a_failed_version_is_tried_again_after_a_while(
    first: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    clock, tries = Clock(), []

    def flaky(folder: Path, manifest: Manifest) -> OnnxEngine:
        tries.append(folder)
        if len(tries) == 1:
            raise MemoryError("not now")
        return opened(folder, manifest)

    generators = LoadedGenerators(registry.find([LLM], ()), "llm", flaky, retry_s=30, clock=clock)
    generators.sync(active(first))
    generators.sync(active(first))
    assert generators.reason == "MemoryError: not now"
    assert len(tries) == 1

    clock.now += 31
    generators.sync(active(first))

    assert generators.current().version.startswith("babble@1.0.0+")
    assert generators.reason == ""


def test_going_back_from_a_failed_version_clears_its_reason(
    first: Path, second: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    generators = loaded()
    generators.sync(active(first))
    wanted = active(second)
    break_file(second)

    generators.sync(wanted)
    generators.sync(active(first))

    assert generators.reason == ""


def test_a_version_that_is_no_longer_active_is_let_go(first: Path) -> None:
    generators = loaded()
    generators.sync(active(first))

    generators.sync({})

    with pytest.raises(ModelUnavailable):
        generators.current()


def test_a_generator_may_change_what_is_written(first: Path) -> None:
    engine = small_decoders.engine(first)

    plain, _ = written(Llm(engine).generate(prompt(), Cancellation()))
    loud, _ = written(Shouting(engine).generate(prompt(), Cancellation()))

    assert loud == plain.upper()
    assert loud != plain
