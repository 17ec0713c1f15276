"""Finding plugins, and living with those that are broken."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from inference import registry
from inference.errors import NotFound
from inference.plugin import Plugin
from inference.types import Labels

GOOD = "plugins.sentiment.Sentiment"
HEAD = "from inference.plugin import Plugin\n"
PREDICT = "    def predict(self, texts): return []\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file that can be imported as `thirdparty`."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "thirdparty.py"
    sys.modules.pop("thirdparty", None)


class Short(Plugin):
    name = "short"
    labels = ("one",)

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        return [{"one": 0.0} for _ in texts]


def test_the_built_in_plugins_are_found_in_order() -> None:
    found = registry.find(["plugins.moderation.Moderation", GOOD], ())

    assert [plugin.name for plugin in found] == ["moderation", "sentiment"]
    assert found.broken == ()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        pytest.param("import nothing_of_that_name", "No module named", id="import error"),
        pytest.param("def", "SyntaxError", id="syntax error"),
        pytest.param("raise SystemExit(3)", "SystemExit: 3", id="exits"),
        pytest.param("1 / 0", "ZeroDivisionError", id="raises"),
        pytest.param("Bad = 7", "not a subclass", id="no class"),
        pytest.param("class Bad: pass", "not a subclass", id="another class"),
        pytest.param("Good = 7", "no attribute 'Bad'", id="misspelt"),
        pytest.param(
            HEAD + "class Bad(Plugin):\n    labels = ('a',)\n" + PREDICT,
            "name is None",
            id="no name",
        ),
        pytest.param(
            HEAD + "class Bad(Plugin):\n    name = 'A B'\n    labels = ('a',)\n" + PREDICT,
            "name is 'A B'",
            id="bad name",
        ),
        pytest.param(
            HEAD + "class Bad(Plugin):\n    name = 'bad'\n" + PREDICT,
            "labels is None",
            id="no labels",
        ),
        pytest.param(
            HEAD + "class Bad(Plugin):\n    name = 'bad'\n    labels = 'ab'\n" + PREDICT,
            "labels is 'ab'",
            id="labels are a text",
        ),
        pytest.param(
            HEAD + "class Bad(Plugin):\n    name = 'bad'\n    labels = ('a', 'a')\n" + PREDICT,
            "a label twice",
            id="a label twice",
        ),
        pytest.param(
            HEAD + "class Bad(Plugin):\n    name = 'bad'\n    labels = ('a',)\n",
            "does not implement predict",
            id="abstract",
        ),
        pytest.param(
            HEAD + "class Bad(Plugin):\n    name = 'sentiment'\n    labels = ('a',)\n" + PREDICT,
            "taken by plugins.sentiment.Sentiment",
            id="duplicate name",
        ),
    ],
)
def test_a_broken_plugin_is_reported_and_the_others_stay(
    code: str, said: str, module: Path
) -> None:
    module.write_text(code)

    found = registry.find([GOOD, "thirdparty.Bad", "plugins.moderation.Moderation"], ())

    assert list(found.plugins) == ["sentiment", "moderation"]
    (broken,) = found.broken
    assert broken.source == "thirdparty.Bad"
    assert said in broken.reason


def test_entry_points_come_in_through_the_same_door() -> None:
    def fail() -> object:
        raise ImportError("no such package")

    found = registry.find([GOOD], [("entry: short", lambda: Short), ("entry: gone", fail)])

    assert list(found.plugins) == ["sentiment", "short"]
    assert found.broken == (registry.BrokenPlugin("entry: gone", "ImportError: no such package"),)


def test_the_same_class_twice_is_one_plugin() -> None:
    found = registry.find([GOOD, GOOD], ())

    assert len(found) == 1
    assert found.broken == ()


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    found = registry.find([GOOD], ())

    with pytest.raises(NotFound, match="No plugin named 'toxicty'; registered: sentiment"):
        found.get("toxicty")
    assert found.get("sentiment").labels == ("negative", "neutral", "positive")
