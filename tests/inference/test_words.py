"""Words as the model reads them, at their places in the original text."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from inference.normalisation import normalise
from inference.words import Span, passages, without, words


def found(text: str) -> list[str]:
    return [text[span.start : span.end] for span in words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \n\t ", [], id="blank"),
        pytest.param("idiot", ["idiot"], id="one word"),
        pytest.param("You idiot, go home!", ["You", "idiot", "go", "home"], id="plain"),
        pytest.param("no,no;no…(no)", ["no", "no", "no", "no"], id="repeated"),
        pytest.param("don't say “hi”!!!", ["don't", "say", "hi"], id="quotes and apostrophes"),
        pytest.param("... wait ?!", ["...", "wait", "?!"], id="marks alone are words"),
        pytest.param("you are an іdiоt", ["you", "are", "an", "іdiоt"], id="homoglyphs"),
        pytest.param("an id\u200bi\u200bot\u200b!", ["an", "id\u200bi\u200bot"], id="zero width"),
        pytest.param("oh f u c k  you", ["oh", "f u c k", "you"], id="spaced letters"),
        pytest.param("you b|||tch!", ["you", "b|||tch"], id="symbols for letters"),
        pytest.param("you fuuuuuckkkk.", ["you", "fuuuuuckkkk"], id="repeats"),
        pytest.param("die 💀💀 now", ["die", "💀💀", "now"], id="emoji"),
        pytest.param("go 𝓱𝓸𝓶𝓮 now", ["go", "𝓱𝓸𝓶𝓮", "now"], id="styled letters"),
        pytest.param("你好 ok", ["你", "好", "ok"], id="a script without spaces"),
    ],
)
def test_a_word_covers_all_that_it_is_made_of(text: str, expected: list[str]) -> None:
    kept = [word.strip("\u200b") for word in found(text)]

    assert kept == [word.strip("\u200b") for word in expected]


@example("«\x1f0")
@example("0\x1f»")
@given(
    st.text(alphabet=st.sampled_from("ab1$@!|і \u200b😡💀.,\n你𝓱f'"), max_size=40)
    | st.text(max_size=40)
)
def test_words_lie_in_order_in_the_original_and_are_not_empty(text: str) -> None:
    spans = words(text)
    ends = [0, *(span.end for span in spans)]

    for before, span in zip(ends, spans, strict=False):
        assert before <= span.start < span.end <= len(text)
        assert not text[span.start].isspace()
        assert not text[span.end - 1].isspace()


@given(
    st.text(alphabet=st.sampled_from("ab1$@!|і \u200b😡💀.,\n你𝓱f'"), max_size=40)
    | st.text(max_size=40)
)
def test_places_in_the_original_never_go_back(text: str) -> None:
    offsets = list(normalise(text).offsets)

    assert offsets == sorted(offsets)


def test_cutting_words_out_leaves_the_rest_as_it_was() -> None:
    text = "You 😡 idiot, go hоme!"
    spans = words(text)

    assert without(text, []) == text
    assert without(text, [spans[2], spans[4]]) == "You 😡 , go !"
    assert without(text, [Span(0, len(text))]) == ""


def test_passages_are_the_whole_text_and_end_with_sentences() -> None:
    text = "One two three four five six seven eight. Nine! " + "word " * 60
    spans = words(text)

    parts = passages(text, spans, 24)

    assert "".join(text[part.start : part.end] for part in parts) == text
    assert [number for part in parts for number in part.words] == list(range(len(spans)))
    assert max(len(part.words) for part in parts) == 24
    assert text[parts[0].start : parts[0].end] == "One two three four five six seven eight. "
