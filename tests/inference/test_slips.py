"""Slips, stray blanks, dashes and missing blanks hide no word; other words stay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.normalisation import normalise
from tests.inference.places import assert_places_fit
from tests.inference.test_readings import VOCABULARY

READ = [
    # The letters of a run that stay are those of a known word.
    ("dinnner with acccounts", "dinner with accounts"),
    ("a dnt is no dont", "a dnt is no dont"),
    ("i dnt wnt thm", "i dont want them"),
    ("realy good", "really good"),
    ("they are brittish", "they are british"),
    # One slip in each word, or one that hides an insult.
    (
        "wommen shoul be beatenn and he is a morom",
        "women should be beaten and he is a moron",
    ),
    ("you stupd man", "you stupid man"),
    ("you idiiot", "you idiot"),
    ("you motherfucjer", "you motherfucker"),
    # Torn apart.
    ("you stu pid bit ch", "you stupid bitch"),
    ("th is is ju st stu pid by som eone", "this is just stupid by someone"),
    # Blanked.
    ("s**t, f***k and b---h", "shit, fuck and bitch"),
    ("f_ck the b-tch", "fuck the bitch"),
    ("wh_t do t_ey th-nk", "what do they think"),
    # Written as one.
    ("youareastupididiot!", "you area stupid idiot!"),
    ("goaway.Youuglylittlebitch", "goaway.You ugly little bitch"),
    ("#MakeItGreatAgain now", "#Make It Great Again now"),
    # From right to left.
    ("you \u202ediputs\u202c man", "you stupid man"),
    ("\u202etoidi na era uoy\u202c", "you are an idiot"),
]
KEPT = [
    "a clot, voila, the diner, the relay of colt and viola",
    "skunk, corny, cons, kitties, bobs, kilos, scooter, weds, poop, telly, heed, feely",
    "dumbledore, Dumbledore, killuminati",
    "bots and busboys tried outed teed iter",
    "he ll come, she s here, we ll see, as is, it is, so on",
    "well-being, co-operation, x-ray, e-mail, my_name, T__T, I--I, x**y, a--b",
    "the weatherman of birthdaycakes, Cockermouth, indiscriminately, incomprehensibilities",
    "aGVsbG8gd29ybGQ http://site.example/thisisalinkofwords user@thisisaserverofmail.example",
    "ich hatte bitte dann denn alle soll notte, mille grazie",
    "\u202ehello\u202c there",
]  # fmt: skip


@pytest.mark.parametrize(("text", "read"), READ)
def test_words_are_read_as_they_are_meant(text: str, read: str) -> None:
    assert normalise(text, VOCABULARY).text == read


@pytest.mark.parametrize("text", KEPT)
def test_other_words_stay(text: str) -> None:
    assert normalise(text, VOCABULARY).text == text.replace("\u202e", "").replace("\u202c", "")


def test_words_know_where_they_stood() -> None:
    text = "he is a stu pid youuglybitch"
    found = normalise(text, VOCABULARY)
    start = found.text.index("stupid")
    assert [text[at] for at in found.offsets[start : start + 6]] == list("stupid")
    start = found.text.index("ugly")
    assert text[found.offsets[start] :].startswith("uglybitch")


def test_what_is_shown_from_right_to_left_stands_for_the_whole() -> None:
    text = "a \u202ediputs\u202c man"
    found = normalise(text, VOCABULARY)
    assert set(found.offsets[2:8]) == {2}
    assert found.offsets[8] == text.index(" man")


PARTS = st.sampled_from(
    [
        "stupd",
        "stu",
        "pid",
        "b-tch",
        "s**t",
        "f***k",
        "youareanidiot",
        "\u202eoga",
        "\u202c",
        "aabb",
    ]
)


@given(st.lists(st.one_of(PARTS, st.text("abst\u202e\u202c -_*", max_size=12)), max_size=12))
@settings(max_examples=300, deadline=None)
def test_places_fit_any_text(parts: list[str]) -> None:
    text = " ".join(parts)
    assert_places_fit(text, normalise(text, VOCABULARY))
