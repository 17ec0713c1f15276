"""Scoring with several plugins, some of them bad."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from inference.plugin import Plugin
from inference.scoring import Lineup, Loaded, Scorer
from inference.types import Labels, PassageScore
from inference.words import Span


class Steady(Plugin):
    name = "steady"
    labels = ("length",)
    needs_model = False

    def predict(self, texts: Sequence[str]) -> list[Labels]:
        return [{"length": min(1.0, len(text) / 100)} for text in texts]


def bad(answer: Callable[[Sequence[str]], Any]) -> Plugin:
    """A plugin with the labels a and b that answers like this."""

    class Bad(Plugin):
        name = "bad"
        labels = ("a", "b")

        def predict(self, texts: Sequence[str]) -> list[Labels]:
            found: list[Labels] = answer(texts)
            return found

    return Bad()


def raises(_: object) -> None:
    raise RuntimeError("out of memory\nand a long story")


def leaves(_: object) -> None:
    raise SystemExit(1)


def scorer(*plugins: Plugin, watcher: Any = None, missing: dict[str, str] | None = None) -> Scorer:
    loaded = tuple(Loaded(plugin, f"{plugin.name}@1", "Fake") for plugin in plugins)
    return Scorer(lambda: Lineup(loaded, missing or {}), watcher=watcher)


class Watcher:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def scored(self, plugin: str, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append(f"{plugin} scored")

    def failed(self, plugin: str) -> None:
        self.seen.append(f"{plugin} failed")


def test_some_plugins_alone_score_as_they_do_in_company() -> None:
    watcher = Watcher()
    whole = scorer(Steady(), bad(raises), watcher=watcher, missing={"gone": "no version"})

    (scores,) = whole.only({"steady"}).score(["x" * 10])
    (none,) = whole.only({"gone"}).score(["x"])

    assert (scores.by_plugin, scores.failures) == ({"steady": {"length": 0.1}}, {})
    assert (none.by_plugin, none.failures) == ({}, {"gone": "no version"})
    assert watcher.seen == []


def test_a_call_may_name_its_plugins_and_is_watched() -> None:
    watcher = Watcher()
    whole = scorer(Steady(), bad(raises), watcher=watcher, missing={"gone": "no version"})

    (scores,) = whole.score(["x" * 10], {"steady", "gone"})

    assert (scores.by_plugin, scores.failures) == (
        {"steady": {"length": 0.1}},
        {"gone": "no version"},
    )
    assert watcher.seen == ["steady scored", "gone failed"]


def test_every_text_gets_the_scores_of_every_plugin_in_order() -> None:
    scores = scorer(Steady()).score(["x" * 10, "x" * 20])

    assert [each.by_plugin for each in scores] == [
        {"steady": {"length": 0.1}},
        {"steady": {"length": 0.2}},
    ]
    assert scores[0].models == {"steady": "steady@1"}
    assert scores[0].failures == {}


def test_no_texts_give_no_scores_and_bother_no_plugin() -> None:
    assert scorer(bad(raises)).score([]) == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(raises, "RuntimeError: out of memory", id="raises"),
        pytest.param(leaves, "SystemExit: 1", id="exits"),
        pytest.param(lambda texts: [{"a": 0, "b": 0}] * (len(texts) - 1), "1 rows for 2", id="few"),
        pytest.param(lambda texts: [{"a": 0, "b": 0}] * 9, "9 rows for 2", id="many"),
        pytest.param(lambda texts: None, "TypeError", id="nothing"),
        pytest.param(lambda texts: [{"a": 0}] * 2, "expected ['a', 'b']", id="label missing"),
        pytest.param(lambda texts: [{"a": 0, "b": 0, "c": 0}] * 2, "labels", id="label too many"),
        pytest.param(lambda texts: [{"a": 0, "b": math.nan}] * 2, "b is nan", id="NaN"),
        pytest.param(lambda texts: [{"a": math.inf, "b": 0}] * 2, "a is inf", id="infinite"),
        pytest.param(lambda texts: [{"a": 1.01, "b": 0}] * 2, "a is 1.01", id="over one"),
        pytest.param(lambda texts: [{"a": -0.1, "b": 0}] * 2, "a is -0.1", id="under zero"),
        pytest.param(lambda texts: [{"a": "x", "b": 0}] * 2, "ValueError", id="text"),
        pytest.param(lambda texts: [None] * 2, "TypeError", id="no row"),
    ],
)
def test_a_bad_plugin_is_reported_and_the_others_are_unaffected(
    answer: Callable[[Sequence[str]], Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    watcher = Watcher()

    scores = scorer(bad(answer), Steady(), watcher=watcher).score(["one", "two"])

    for each in scores:
        assert list(each.by_plugin) == list(each.models) == ["steady"]
        assert said in each.failures["bad"]
    assert watcher.seen == ["steady scored", "bad failed"]


def test_a_plugin_that_is_not_loaded_is_reported_too() -> None:
    (scores,) = scorer(Steady(), missing={"guard": "checksum differs"}).score(["x"])

    assert scores.failures == {"guard": "checksum differs"}


def test_a_batch_keeps_the_plugins_it_began_with() -> None:
    plugins: list[Plugin] = [Steady()]

    def swap(texts: Sequence[str]) -> list[Labels]:
        plugins.clear()
        return [{"a": 0, "b": 0} for _ in texts]

    plugins.insert(0, bad(swap))
    changing = Scorer(lambda: Lineup(tuple(Loaded(each, each.name, "Fake") for each in plugins)))

    (first,) = changing.score(["x"])
    (second,) = changing.score(["x"])

    assert list(first.by_plugin) == ["bad", "steady"]
    assert second.by_plugin == {}


def test_passages_of_scores_that_a_plugin_passed_on_are_told() -> None:
    def answer(texts: Sequence[str]) -> list[Labels]:
        found = PassageScore(0.75, Span(3, 9))
        return [{"a": found, "b": 1 - found}, *[{"a": 0.5, "b": 0.5}] * (len(texts) - 1)]

    long, short = scorer(bad(answer), Steady()).score(["a long text", "short"])

    assert long.passages == {"bad": {"a": Span(3, 9)}}
    assert long.by_plugin["bad"] == {"a": 0.75, "b": 0.25}
    assert {type(score) for score in long.by_plugin["bad"].values()} == {float}
    assert short.passages == {}


class Narrow(Steady):
    name = "narrow"
    english_only = True


def test_a_text_that_a_plugin_does_not_know_is_marked_and_still_scored() -> None:
    english, german = scorer(Steady(), Narrow()).score(
        ["This is how we say it.", "Das ist doch nicht dein Ernst, oder?"]
    )

    assert (english.low_confidence, german.low_confidence) == (False, True)
    assert set(german.by_plugin) == {"steady", "narrow"}


def test_nothing_is_marked_where_every_plugin_knows_more_than_english() -> None:
    (german,) = scorer(Steady()).score(["Das ist doch nicht dein Ernst, oder?"])

    assert not german.low_confidence
