"""What may be shown of a text that grows: whole characters, and nothing of a stop sequence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.growing_text import GrowingText

BYTES = [bytes([token]) for token in range(256)]
PLAIN = st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=60)


def pushed(text: str, stops: tuple[str, ...] = (), size: int = 1) -> tuple[list[str], GrowingText]:
    """The parts shown as the text comes in tokens of so many bytes."""
    data = text.encode()
    table = [data[start : start + size] for start in range(0, len(data), size)]
    growing = GrowingText(table, stops)
    shown = []
    for token in range(len(table)):
        shown.append(growing.push(token))
        if growing.stopped:
            break
    return shown, growing


@given(PLAIN, st.integers(1, 7))
def test_a_text_comes_out_as_it_is_and_never_half_a_character(text: str, size: int) -> None:
    shown, growing = pushed(text, size=size)

    assert "".join(shown) + growing.rest() == text
    assert "\ufffd" not in "".join(shown)


@given(
    st.text("ab c", max_size=40),
    st.lists(st.text("ab c", min_size=1, max_size=5), min_size=1, max_size=3),
    st.integers(1, 4),
)
def test_a_text_ends_before_its_first_stop_sequence(text: str, stops: list[str], size: int) -> None:
    shown, growing = pushed(text, tuple(stops), size)
    found = [text.find(stop) for stop in stops if stop in text]

    if found:
        assert growing.stopped
        # Several tokens may come in one push; the first stop sequence in what came counts.
        assert any("".join(shown) == text[:place] for place in found)
        assert growing.rest() == ""
    else:
        assert "".join(shown) + growing.rest() == text


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        pytest.param("one<end>two", "<end>", ["o", "n", "e", "", "", "", "", ""], id="held back"),
        pytest.param("a<<end>", "<end>", ["a", "", "<", "", "", "", ""], id="begins twice"),
        pytest.param("ab<ex", "<end>", ["a", "b", "", "", "<ex"], id="let go"),
    ],
)
def test_what_may_begin_a_stop_sequence_waits(text: str, stop: str, expected: list[str]) -> None:
    shown, _ = pushed(text, (stop,))

    assert shown == expected


def test_what_was_held_back_is_shown_at_the_end() -> None:
    shown, growing = pushed("yes<en", ("<end>",))

    assert shown == ["y", "e", "s", "", "", ""]
    assert growing.rest() == "<en"


def test_a_character_that_never_becomes_whole_is_dropped() -> None:
    growing = GrowingText(BYTES, ())

    assert [growing.push(byte) for byte in "é🔥".encode()[:-1]] == ["", "é", "", "", ""]
    assert growing.rest() == ""


def test_bytes_that_are_no_text_become_replacement_characters() -> None:
    growing = GrowingText(BYTES, ())

    assert (
        "".join(growing.push(byte) for byte in b"a\xff\xed\xa0\x80b")
        == "a\ufffd" + ("\ufffd" * 3) + "b"
    )


def test_empty_stop_sequences_mean_nothing() -> None:
    shown, growing = pushed("text", ("",))

    assert "".join(shown) == "text"
    assert not growing.stopped
