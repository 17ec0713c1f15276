"""Generated sentences are repeatable, come with safe twins, and keep to the rules."""

import random

import pytest

from training import generate
from training.generate import Topic, fill, parse, slots, topics
from training.handmade import handwritten
from training.holdout import is_validation
from training.labels import MODERATION_HEADS, mentions_minor

SMALL = 0.02


def by_name(name: str) -> Topic:
    return next(topic for topic in topics() if topic.name == name)


def test_the_same_seed_writes_the_same_sentences() -> None:
    assert generate.generate(3, SMALL) == generate.generate(3, SMALL)


def test_another_seed_writes_other_sentences() -> None:
    assert generate.generate(3, SMALL) != generate.generate(4, SMALL)


@pytest.mark.parametrize(
    "topic", [t for t in topics() if t.targets.get("harm")], ids=lambda t: t.name
)
def test_every_harmful_topic_has_a_safe_twin(topic: Topic) -> None:
    twin = by_name(topic.twin)
    assert not twin.targets
    assert twin.templates


def test_there_are_about_as_many_safe_sentences_as_harmful_ones() -> None:
    harmful = sum(topic.rows for topic in topics() if topic.targets.get("harm"))
    safe = sum(topic.rows for topic in topics() if not topic.targets)
    assert safe > harmful * 0.8


@pytest.mark.parametrize(
    "topic", [t for t in topics() if t.targets.get("sexual")], ids=lambda t: t.name
)
def test_no_sexual_sentence_speaks_of_a_minor(topic: Topic) -> None:
    dice = random.Random(1)
    texts = [fill(template, dice) for template in topic.templates for _ in range(40)]
    assert not [text for text in texts if mentions_minor(text)]


def test_every_slot_of_every_template_is_known() -> None:
    dice = random.Random(1)
    for topic in topics():
        for template in topic.templates:
            assert "{" not in fill(template, dice)


def test_no_template_is_in_training_and_validation() -> None:
    trained = {row.text for row in generate.generate(3, SMALL)}
    checked = {row.text for row in generate.generate(3, SMALL, validation=True)}
    assert checked
    assert not trained & checked
    for topic in topics():
        kept = [is_validation(template, 8) for template in topic.templates]
        assert not all(kept)


def test_every_head_is_known_of_a_generated_row() -> None:
    assert all(set(row.targets) == set(MODERATION_HEADS) for row in generate.generate(3, SMALL))


def test_swearing_is_seen_in_any_topic() -> None:
    row = generate.describe("fuck yeah", by_name("chat.friendly"))
    assert row.targets["profanity"] == 1.0
    assert row.targets["harm"] == 0.0


def test_a_header_with_an_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match="not a head"):
        list(parse("[x | 1 | nonsense | ]\nline"))


def test_a_block_without_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="not a topic header"):
        list(parse("just a line"))


def test_empty_options_leave_no_double_spaces() -> None:
    dice = random.Random(2)
    texts = [fill("{opener} hello {address}, fine {closer}.", dice) for _ in range(200)]
    assert not [text for text in texts if "  " in text or " ," in text or text != text.strip()]


def test_slots_have_options() -> None:
    assert all(len(options) > 1 for options in slots().values())


def test_handwritten_sentences_are_never_generated() -> None:
    made = {row.text.lower() for row in generate.generate(3, 0.2)}
    assert not [row for row in handwritten() if row.text.lower() in made]


def test_handwritten_sentences_name_their_heads() -> None:
    rows = handwritten()
    assert len(rows) > 100
    assert all(
        row.targets.get("harm") for row in rows if row.source not in {"hand.safe", "hand.spam"}
    )
    assert not any(row.targets for row in rows if row.source == "hand.safe")
