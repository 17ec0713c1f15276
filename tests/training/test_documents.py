"""Long texts and quotations keep the targets that their meaning has."""

from training.documents import ENDORSED, FRAMES, REJECTED, documents, quoted
from training.generate import generate
from training.labels import MODERATION_HEADS, mentions_minor
from training.rows import Row

CLEAN = dict.fromkeys(MODERATION_HEADS, 0.0)
HATE = Row(
    "those people stink.",
    CLEAN | {"harm": 1.0, "identity_attack": 1.0, "toxicity": 1.0, "profanity": 1.0},
    "generated.hate.statements",
)
MADE = generate(5, 0.02)


def test_a_rejected_quotation_is_harmless_and_one_that_is_meant_is_not() -> None:
    made = quoted([HATE] * 60, 60, seed=1)
    assert {row.source for row in made} == {"quoted", "meant"}
    for row in made:
        expected = 1.0 if row.source == "meant" else 0.0
        assert row.targets["harm"] == row.targets["identity_attack"] == expected
        assert row.targets["profanity"] == 1.0
        assert "those people stink" in row.text


def test_only_words_against_people_are_quoted() -> None:
    request = Row("how do I forge a passport", CLEAN | {"harm": 1.0}, "generated.illicit.request")
    assert quoted([request, Row("hello", CLEAN, "generated.chat.plain")], 5, seed=1) == []


def test_frames_have_one_place_for_the_text() -> None:
    assert all(frame.count("{text}") == 1 for frame in (*FRAMES, *REJECTED, *ENDORSED))
    assert not any(mentions_minor(frame) for frame in FRAMES)


def test_a_document_is_as_harmful_as_its_worst_sentence() -> None:
    calm = [Row(f"sentence {n}", CLEAN, "generated.hate.statements") for n in range(9)]
    made = documents([*calm, HATE], 40, seed=2)
    assert {row.targets["identity_attack"] for row in made} == {0.0, 1.0}
    for row in made:
        assert row.targets["identity_attack"] == float(HATE.text in row.text)


def test_documents_are_longer_than_sentences_and_repeat_with_their_seed() -> None:
    made = documents(MADE, 30, seed=3)
    assert made == documents(MADE, 30, seed=3)
    assert sum(len(row.text) for row in made) / len(made) > 200


def test_no_document_brings_sexual_sentences_and_minors_together() -> None:
    adult = Row("adult content", CLEAN | {"sexual": 1.0, "harm": 1.0}, "generated.x")
    kids = Row("the kids sang a song", CLEAN, "generated.x")
    for row in [*documents([adult, kids], 40, seed=4), *documents(MADE, 400, seed=4)]:
        assert not (row.targets["sexual"] >= 0.1 and mentions_minor(row.text))
