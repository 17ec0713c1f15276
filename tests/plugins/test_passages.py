"""With the models that ship, a long text's verdict says where it went wrong."""

import pytest

from inference.types import Scores
from policy.defaults import DEFAULT_POLICY
from policy.policy import Action, decide
from tests.shipped import shipped_scorer

CALM = (
    "We took the early train to the coast and had breakfast on the way.",
    "The museum was closed for repairs, so we walked along the river instead.",
    "My sister found a small shop that sells maps and old postcards.",
    "In the afternoon it rained, and we drank tea under a large tree.",
    "Dinner was soup with fresh bread, and everybody was tired early.",
    "Tomorrow we want to see the lighthouse, if the ferry leaves in time.",
)
THREAT = "I will find you and kill you, you worthless piece of shit."


def hidden(threat: str, place: int, sentences: int = 48) -> str:
    """A long text with the threat behind so many harmless sentences."""
    calm = [CALM[number % len(CALM)] for number in range(sentences)]
    return " ".join([*calm[:place], threat, *calm[place:]])


def judged(text: str) -> Scores:
    (scores,) = shipped_scorer().score([text])
    return scores


@pytest.mark.parametrize("place", [0, 5, 24, 37, 48], ids=lambda place: f"behind {place}")
def test_a_hidden_threat_lies_in_the_passage_of_every_reason(place: int) -> None:
    text = hidden(THREAT, place)
    start = text.index(THREAT)

    decision = decide(judged(text), DEFAULT_POLICY)

    assert decision.action is Action.BLOCK
    for passage in [reason.passage for reason in decision.reasons]:
        assert passage is not None
        assert passage.start <= start
        assert start + len(THREAT) <= passage.end
        assert passage.length < len(text) / 3


@pytest.mark.parametrize(
    "disguised",
    [
        pytest.param("𝐈 𝐰𝐢𝐥𝐥 𝐟𝐢𝐧𝐝 𝐲𝐨𝐮 𝐚𝐧𝐝 𝐤𝐢𝐥𝐥 𝐲𝐨𝐮, you dirty bitch.", id="styled letters"),
        pytest.param(
            "I will fi\u200bnd you and ki\u200b\u2060ll you, you dirty bi\u200btch.", id="marks"
        ),
        pytest.param("I w1ll f1nd you and k i l l you, you dirty bіtttttch.", id="other tricks"),
    ],
)
@pytest.mark.parametrize("place", [12, 24, 48])
def test_passages_count_the_characters_as_they_were_written(disguised: str, place: int) -> None:
    text = "🎉🎉🎉 👩‍👩‍👧 " * 30 + hidden(disguised, place).replace("train", "tr\u200bain 🚂")
    start = text.index(disguised)

    decision = decide(judged(text), DEFAULT_POLICY)

    passages = [reason.passage for reason in decision.reasons if reason.label == "threat"]
    assert passages
    for passage in passages:
        assert passage is not None
        assert passage.start <= start
        assert start + len(disguised) <= passage.end


def test_a_long_text_has_a_passage_for_every_label_whose_worst_part_counts() -> None:
    text = hidden(THREAT, 24)
    scores = judged(text)

    assert set(scores.passages) == {"moderation"}
    assert set(scores.passages["moderation"]) == set(scores.by_plugin["moderation"])
    spans = set(scores.passages["moderation"].values())
    assert min(span.start for span in spans) >= 0
    assert max(span.end for span in spans) <= len(text)


def test_a_passage_alone_gets_the_score_that_it_gave_the_text() -> None:
    text = hidden(THREAT, 24)
    scores = judged(text)
    span = scores.passages["moderation"]["threat"]

    alone = judged(text[span.start : span.end])

    assert alone.passages == {}
    assert alone.by_plugin["moderation"]["threat"] == pytest.approx(
        scores.by_plugin["moderation"]["threat"], abs=1e-4
    )


def test_a_short_text_has_no_passages() -> None:
    scores = judged(THREAT)

    assert scores.passages == {}
    assert {reason.passage for reason in decide(scores, DEFAULT_POLICY).reasons} == {None}
