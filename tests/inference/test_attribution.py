"""The words that drove a score: found by cutting them out, whatever scores the text."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.attribution import Highlight, Target, explain
from inference.normalisation import normalise
from inference.types import Scores
from inference.words import Span, without, words

RUDE = Target("manners", "rude", 0.5)
LOUD = Target("manners", "loud", 0.5)


class WordList:
    """Scores by words: each has a weight, and together they saturate as a model does."""

    def __init__(self, **weights: float) -> None:
        self._weights = weights
        self.texts = 0

    def __call__(self, texts: Sequence[str]) -> list[Scores]:
        self.texts += len(texts)
        return [Scores({"manners": self._labels(text)}, {"manners": "m@1"}) for text in texts]

    def _labels(self, text: str) -> dict[str, float]:
        rest = 1.0
        for word in normalise(text).text.lower().split():
            rest *= 1 - self._weights.get(word.strip(".,!"), 0.0)
        return {"rude": 1 - rest, "loud": 0.9 if "!" in text else 0.1}


def named(text: str, found: list[Highlight]) -> list[str]:
    return [text[each.start : each.end] for each in found]


def rest(text: str, found: list[Highlight]) -> str:
    spans = {Span(each.start, each.end) for each in found}
    return without(text, sorted(spans, key=lambda span: span.start))


def test_the_word_that_drove_the_score_is_named_with_its_weight() -> None:
    text = "I think you are an idiot my friend"

    (found,) = explain(text, [RUDE], WordList(idiot=0.9))

    assert found == Highlight("rude", text.index("idiot"), text.index("idiot") + 5, 0.9)


def test_words_of_which_each_would_do_are_all_named() -> None:
    text = "You idiot, I say you are a moron and nothing else at all"
    score = WordList(idiot=0.95, moron=0.95)

    found = explain(text, [RUDE], score)

    assert named(text, found) == ["idiot", "moron"]
    assert min(each.weight for each in found) > 0.9


def test_only_what_is_needed_is_named() -> None:
    text = "one bad and one mild word stand in this rather long sentence"

    found = explain(text, [RUDE], WordList(bad=0.6, mild=0.2))

    assert named(text, found) == ["bad"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        pytest.param("oh well you are an іdіоt indeed", "іdіоt", id="homoglyphs"),
        pytest.param(
            "oh well you are an i\u200bdi\u200bot indeed", "i\u200bdi\u200bot", id="zero width"
        ),
        pytest.param("oh well you are an i d i o t indeed", "i d i o t", id="spaced"),
        pytest.param("🎉🎉 oh well 😀 you are an 1d10t indeed 🎉", "1d10t", id="among emoji"),
        pytest.param("😀 oh well you are an idiooooot indeed", "idiooooot", id="repeats"),
    ],
)
def test_offsets_are_those_of_the_original_text(text: str, word: str) -> None:
    found = explain(text, [RUDE], WordList(idiot=0.9))

    assert named(text, found) == [word]


def test_each_of_a_repeated_word_is_named_at_its_own_place() -> None:
    text = "idiot he said and idiot he said once more to everybody who was there"

    found = explain(text, [RUDE], WordList(idiot=0.9))

    assert [each.start for each in found] == [0, text.rindex("idiot")]


def test_every_target_gets_the_words_that_drove_it() -> None:
    text = "Hey! you there are an idiot as everybody knows by now"

    class Both(WordList):
        def _labels(self, text: str) -> dict[str, float]:
            return {
                "rude": 0.9 if "idiot" in text else 0.1,
                "loud": 0.8 if "everybody" in text else 0.2,
            }

    found = explain(text, [RUDE, LOUD], Both())

    assert [(each.label, text[each.start : each.end]) for each in found] == [
        ("rude", "idiot"),
        ("loud", "everybody"),
    ]


@pytest.mark.parametrize("text", ["", "   ", "\u200b"])
def test_a_text_without_words_has_no_answer(text: str) -> None:
    assert explain(text, [RUDE], WordList()) == []


def test_a_text_of_one_word_names_it() -> None:
    assert named("Idiot!", explain("Idiot!", [RUDE], WordList(idiot=0.9))) == ["Idiot"]


def test_what_is_below_its_threshold_needs_no_words() -> None:
    score = WordList(idiot=0.4)

    assert explain("you idiot", [RUDE], score) == []
    assert explain("you idiot", [], score) == []


@given(
    st.lists(
        st.sampled_from(["idiot", "moron", "you", "are", "a", "friend."]), min_size=1, max_size=70
    )
)
def test_the_words_named_are_at_most_a_third(found_words: list[str]) -> None:
    text = " ".join(found_words)

    found = explain(text, [RUDE], WordList(idiot=0.9, moron=0.7))

    spans = {(each.start, each.end) for each in found}
    assert len(spans) <= max(1, len(words(text)) // 3)
    assert len(spans) < 2 or 3 * sum(end - start for start, end in spans) <= len(text)


@given(
    st.lists(
        st.sampled_from(["idiot", "moron", "you", "are", "a", "friend."]), min_size=1, max_size=70
    )
)
def test_the_same_text_gets_the_same_words(found_words: list[str]) -> None:
    text = " ".join(found_words)
    score = WordList(idiot=0.9, moron=0.7)

    assert explain(text, [RUDE], score) == explain(text, [RUDE], score)


@pytest.mark.parametrize("length", [30, 60, 200])
def test_without_the_words_named_the_text_is_no_longer_flagged(length: int) -> None:
    filler = "the weather is fine today. " * 60
    fill = f"idiot {filler} you moron {filler}".split()[:length]
    text = " ".join([*fill, "moron", "scum"])
    score = WordList(idiot=0.8, moron=0.7, scum=0.6)

    found = explain(text, [RUDE], score)

    (left,) = score([rest(text, found)])
    assert left.by_plugin["manners"]["rude"] < RUDE.threshold
    assert set(named(text, found)) <= {"idiot", "moron", "scum"}


def test_a_long_text_costs_no_more_than_it_may() -> None:
    text = "idiot you are a moron " * 400
    spent: list[int] = []

    def score(texts: Sequence[str]) -> list[Scores]:
        spent.extend(map(len, texts))
        return WordList(idiot=0.9, moron=0.9)(texts)

    explain(text, [RUDE], score, max_characters=20_000)

    assert sum(spent) <= 20_000


@pytest.mark.parametrize("allowed", range(0, 1200, 40))
def test_what_was_found_when_all_is_spent_is_given(allowed: int) -> None:
    text = "you idiot and you moron and whoever else is with you there today"

    found = explain(text, [RUDE], WordList(idiot=0.9, moron=0.9), max_characters=allowed)

    assert set(named(text, found)) <= set(text.split())


def failing(after: int) -> Callable[[Sequence[str]], list[Scores]]:
    """A scorer whose plugin gives no scores after so many calls."""
    words, calls = WordList(idiot=0.9, moron=0.9), []

    def score(texts: Sequence[str]) -> list[Scores]:
        calls.append(texts)
        if len(calls) > after:
            return [Scores({}, {}, {"manners": "broken"}) for _ in texts]
        return words(texts)

    return score


@pytest.mark.parametrize("after", range(5))
def test_a_plugin_that_fails_ends_the_search(after: int) -> None:
    text = "you idiot and you moron and whoever else is with you there today"

    found = explain(text, [RUDE], failing(after))

    assert set(named(text, found)) <= {"idiot", "moron"}


def test_a_label_that_the_plugin_does_not_have_has_no_answer() -> None:
    assert explain("you idiot", [Target("manners", "odd", 0.1)], WordList(idiot=0.9)) == []
    assert explain("you idiot", [Target("other", "rude", 0.1)], WordList(idiot=0.9)) == []
