"""What every registered plugin promises, whatever it scores, on the models that ship."""

import functools
from collections.abc import Sequence
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from inference import registry, versions
from inference.plugin import Plugin
from inference.runtime_onnx import OnnxRuntime
from inference.scoring import check_rows

REGISTRY = registry.find(settings.RTAI_PLUGINS)
TEXTS = (
    "Good morning everyone!",
    "I will find you and hurt you.",
    "you are a stupid idiot",
    "ok",
    "Buy cheap followers now at http://example.com !!!",
    "The meeting was moved to Thursday, because the room was taken. " * 12,
    "ich weiß nicht, was soll es bedeuten",
)
SAME = 1e-3
"""How much a score may differ between alone and in company."""
ODD = (
    "",
    " ",
    "a",
    "\x00",
    "\x00kill\x00 you",
    "\ud800",
    "hello \udfff world",
    "\u202eadvice\u202c",
    "👩‍👩‍👧‍👦🔥" * 20,
    "\u200b\u200d\ufeff",
    "Z̷̢͎̗a̸l̴g̸o̵" * 10,
    "\U0010ffff\ufffe",
    "漢字かな交じり文",
    "مرحبا بالعالم",
    "[CLS] [SEP] [PAD] [MASK]",
    "x" * 10_000,
)


@functools.cache
def plugin_of(kind: type[Plugin]) -> Plugin:
    """The plugin with the newest model that ships for it."""
    if not kind.needs_model:
        return kind()
    folders = sorted(
        path.parent
        for directory in settings.RTAI_MODEL_DIRS
        for path in Path(directory).glob("*/manifest.json")
        if versions.read(path.parent).plugin == kind.name
    )
    manifest = versions.load(folders[-1])
    versions.check_labels(manifest, kind.name, kind.labels)
    return kind(OnnxRuntime(folders[-1], manifest))


@pytest.fixture(params=list(REGISTRY), ids=lambda kind: kind.name, scope="module")
def plugin(request: pytest.FixtureRequest) -> Plugin:
    return plugin_of(request.param)


def scores(plugin: Plugin, texts: Sequence[str]) -> list[dict[str, float]]:
    return [dict(row) for row in check_rows(plugin, plugin.predict(texts), len(texts))]


def assert_same(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found == pytest.approx(expected, abs=SAME)


def test_no_plugin_is_broken() -> None:
    assert REGISTRY.broken == ()
    assert {"moderation", "sentiment"} <= set(REGISTRY.plugins)


@pytest.mark.parametrize("size", [0, 1, 7])
def test_rows_come_one_for_each_text_in_order(plugin: Plugin, size: int) -> None:
    texts = TEXTS[:size]

    rows = scores(plugin, texts)

    for text, row in zip(texts, rows, strict=True):
        assert_same(row, scores(plugin, [text])[0])


def test_every_label_has_a_probability_and_no_other_is_there(plugin: Plugin) -> None:
    for row in scores(plugin, TEXTS):
        assert tuple(row) == plugin.labels
        assert all(0 <= value <= 1 for value in row.values())


@hypothesis_settings(max_examples=25, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(TEXTS[:5]), st.text(max_size=60)), min_size=2, max_size=9)
)
def test_a_score_is_the_same_alone_and_in_company(plugin: Plugin, texts: list[str]) -> None:
    together = scores(plugin, texts)

    for text, row in zip(texts, together, strict=True):
        assert_same(row, scores(plugin, [text])[0])


def test_odd_unicode_survives_and_changes_no_neighbour(plugin: Plugin) -> None:
    calm = TEXTS[0]

    rows = scores(plugin, [*ODD, calm])

    assert_same(rows[-1], scores(plugin, [calm])[0])


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.text(st.characters(), max_size=300))
def test_any_text_is_scored(plugin: Plugin, text: str) -> None:
    scores(plugin, [text])


def test_what_stands_at_the_end_of_a_long_text_is_read() -> None:
    moderation = plugin_of(REGISTRY.get("moderation"))
    padding = "The weather was fine and we walked along the river. " * 60
    threat = "I will kill you, you stupid bitch."

    calm, hidden = scores(moderation, [padding, padding + threat])

    assert hidden["toxicity"] > calm["toxicity"] + 0.2


def test_sentiments_sum_to_one() -> None:
    for row in scores(plugin_of(REGISTRY.get("sentiment")), TEXTS):
        assert sum(row.values()) == pytest.approx(1, abs=1e-4)


def test_friendly_and_hostile_texts_are_told_apart() -> None:
    sentiment = plugin_of(REGISTRY.get("sentiment"))
    moderation = plugin_of(REGISTRY.get("moderation"))
    texts = ("I love this, thank you so much!", "I hate you, you stupid idiot.")

    happy, angry = scores(sentiment, texts)
    kind, rude = scores(moderation, texts)

    assert happy["positive"] > 0.5 > angry["positive"]
    assert rude["toxicity"] > 0.5 > kind["toxicity"]
