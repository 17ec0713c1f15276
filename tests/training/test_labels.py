"""What a source says becomes targets, and what it does not say stays unknown."""

import pytest

from training.labels import (
    CLEAN_SOURCES,
    HARMLESS,
    MODERATION_HEADS,
    MODERATION_LABELS,
    PARENTS,
    complete,
    mentions_minor,
)


def test_heads_and_labels_stand_in_the_same_order() -> None:
    differing = {
        (label, head)
        for label, head in zip(MODERATION_LABELS, MODERATION_HEADS, strict=True)
        if label != head
    }
    assert differing == {("sexual_minors", "minor")}
    assert MODERATION_LABELS[0] == "harm"


def test_what_is_not_said_stays_unknown() -> None:
    known = complete({"identity_attack": 0}, "some text", "hateval")
    assert known == {"identity_attack": 0.0, "hate_threatening": 0.0, "minor": 0.0}


def test_obscene_is_called_profanity_and_is_no_harm() -> None:
    known = complete({"obscene": 1}, "some text", "davidson")
    assert known["profanity"] == 1.0
    assert "harm" not in known


def test_any_category_makes_harm() -> None:
    assert complete({"self_harm": 1}, "some text", "multijail")["harm"] == 1.0


def test_a_source_that_labels_topics_makes_harm_softer() -> None:
    assert complete({"illicit": 1}, "some text", "ailuminate")["harm"] == 0.75


def test_not_toxic_means_harmless() -> None:
    known = complete({"toxicity": 0}, "some text", "jigsaw_detox")
    assert known["harm"] == 0.0
    assert known["insult"] == 0.0


def test_the_narrow_label_implies_the_wide_one() -> None:
    known = complete({"hate_threatening": 1}, "some text", "edos")
    assert known["identity_attack"] == 1.0


@pytest.mark.parametrize("source", sorted(CLEAN_SOURCES))
def test_a_clean_source_knows_every_head(source: str) -> None:
    known = complete({}, "good morning", source)
    assert known == dict.fromkeys(MODERATION_HEADS, 0.0)


def test_labels_for_sexual_content_with_minors_are_never_learnt_from_text() -> None:
    assert "sexual_minors" not in complete({"sexual_minors": 1}, "some text", "ailuminate")


def test_parents_are_heads() -> None:
    assert set(PARENTS) | set(PARENTS.values()) <= set(MODERATION_HEADS)
    assert set(MODERATION_HEADS) >= HARMLESS


@pytest.mark.parametrize(
    "text", ["my 12 year old", "the kids", "a 9-year-old boy", "she is in 8th grade", "A minor."]
)
def test_a_minor_is_noticed(text: str) -> None:
    assert mentions_minor(text)


@pytest.mark.parametrize("text", ["she is 19 years old", "a minority", "kidding", "grade A steak"])
def test_an_adult_is_not_a_minor(text: str) -> None:
    assert not mentions_minor(text)


def test_positives_that_are_none_by_our_definitions_are_unknown() -> None:
    said = {"toxicity": 1, "threat": 1, "identity_attack": 0.4, "insult": 1}
    known = complete(said, "some text", "civil_toxic_spans")
    assert "threat" not in known
    assert "identity_attack" not in known
    assert known["toxicity"] == known["insult"] == known["harm"] == 1.0
    assert complete({"threat": 0}, "some text", "civil_toxic_spans")["threat"] == 0.0
