"""Emoji are read as what they say, flags are no words, and innocent emoji stay innocent."""

import pytest

from inference.normalisation import normalise


def read(text: str) -> str:
    return " ".join(normalise(text).text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("🖕🏿 you", "fuck you you"),
        ("I will 🔪 you", "I will knife you"),
        ("got a 🔫 for you", "got a gun for you"),
        ("a 💣 under your car", "a bomb under your car"),
        ("see you in the 🪦", "see you in the grave"),
        ("you 🐒 you 🐷", "you monkey you pig"),
        ("piece of 💩", "piece of shit"),
        ("they belong in the 🗑️", "they belong in the trash"),
        ("🤡🤡🤡", "clown"),
        ("🫵 are next", "you are next"),
        ("wanna 👉👌", "wanna sex"),
        ("my 🍆 in your 🍑", "my aubergine in your peach"),
        ("🍆💦", "dick cum"),
        ("🍆🍆🍆 💦💦", "dick cum"),
        ("want 👅🍑", "want tongue ass"),
    ],
)
def test_an_emoji_of_abuse_is_read_as_the_word(text: str, words: str) -> None:
    assert read(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("🍆🍅🧄 for dinner", "aubergine tomato garlic for dinner"),
        ("🍑🍌🍒 salad", "peach banana cherries salad"),
        ("🍆 and 🍑", "aubergine and peach"),
        ("🍅🍆🍑", "tomato aubergine peach"),
        ("ran ten miles 💦", "ran ten miles splash"),
        ("nice one 👊", "nice one fist bump"),
        ("oops 🙈", "oops shy"),
        ("🖤🩷💙", "love love love"),
        ("dead 😂😂😂", "dead laughing"),
        ("👉 👌", "white right pointing backhand index okay"),
        ("proud 🏳️‍🌈", "proud pride"),
        ("🆘 please", "sos please"),
        ("really❓ yes❗", "really ? yes !"),
        ("new \U0001faff", "new"),
    ],
)
def test_an_innocent_emoji_says_nothing_bad(text: str, words: str) -> None:
    assert read(text) == words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("🇫🇺🇨🇰 you", "FUCK you"),
        ("🇫 🇺 🇨 🇰 you", "fuck you"),
        ("🇫\u200b🇺\u200b🇨\u200b🇰", "FUCK"),
        ("🇸🇭🇮🇹", "SHIT"),
        ("🇩🇮🇪", "DIE"),
        ("🇭🇪🇱🇱🇴", "HELLO"),
    ],
)
def test_boxed_letters_that_spell_a_word_are_letters(text: str, words: str) -> None:
    assert read(text) == words


@pytest.mark.parametrize("flags", ["🇫🇷", "🇫🇷🇩🇪", "🇺🇸🇺🇸🇺🇸", "🇮🇹 🇪🇸 🇬🇧", "🇪🇺🇺🇳"])
def test_flags_are_no_words(flags: str) -> None:
    assert read(f"Vive la France {flags} allez") == "Vive la France allez"
    assert read(f"go{flags}now") == "go now"


def test_the_words_of_emoji_point_at_their_emoji() -> None:
    found = normalise("no 🍆💦")
    assert found.text[found.offsets.index(3) : found.offsets.index(4)] == " dick "
    assert set(found.offsets[3:]) == {3, 4}
