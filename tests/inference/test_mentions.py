"""Mentions and links are told from words, placeholders go, and an insult in a name is read."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import versions
from inference.mentions import LINK, MENTION
from inference.normalisation import leave_out, normalise
from inference.versions import TOKENIZER
from inference.windows_onnx import Windows
from tests.inference.places import assert_places_fit
from tests.inference.test_readings import VOCABULARY
from tests.inference.test_windows_onnx import windows_of

BOTH = [LINK, MENTION]
LEFT_OUT = [
    ("@user @user the meeting is at nine", "the meeting is at nine"),
    ("＠Kate_Miller88 hello", "hello"),
    (".@bob, that went well.@bob", ". , that went well."),
    ("@me@social.example hello", "hello"),
    ("<user> hello [USER]", "hello"),
    ("(see https://t.example/a8Fk?x=1).", "(see )."),
    ("www.site.example/page and HTTP://X.EXAMPLE!", "and !"),
    ("@user http://t.example/x", ""),
]
KEPT = [
    "mail bob@site.example or bob.miller@mail.site.example",
    "meet @5pm, @ 7, @7",
    "http is a protocol, and www is not",
    "the user wrote <b>well</b>",
]
PLACEHOLDERS = [
    ("what a match URL", "what a match"),
    ("what a match http #final @user 😂", "what a match #final @user laughing"),
    ("what a match! URL URL", "what a match!"),
    ("what is this? URL", "what is this?"),
    ("[URL] what a <url> match", "what a match"),
    ("URL", ""),
]
WORDS = [
    "the URL is wrong",
    "http is a protocol",
    "send me the URL",
    "they still use http",
    "url",
    "the URL of the page: http://site.example/",
]


def without(text: str) -> str:
    return " ".join(leave_out(normalise(text, VOCABULARY), BOTH).text.split())


@pytest.mark.parametrize(("text", "rest"), LEFT_OUT)
def test_mentions_and_links_are_left_out(text: str, rest: str) -> None:
    assert without(text) == rest


@pytest.mark.parametrize("text", KEPT)
def test_what_is_neither_stays(text: str) -> None:
    assert without(text) == text


@pytest.mark.parametrize(("text", "rest"), PLACEHOLDERS)
def test_what_stands_for_a_link_is_left_out_for_every_model(text: str, rest: str) -> None:
    assert " ".join(normalise(text).text.split()) == rest


@pytest.mark.parametrize("text", WORDS)
def test_words_that_look_like_placeholders_stay(text: str) -> None:
    assert normalise(text, VOCABULARY).text == text


def test_a_letter_that_an_at_sign_stands_for_is_still_a_letter() -> None:
    assert without("you @ss, @user") == "you ass,"


def test_what_is_left_points_at_where_it_stood() -> None:
    text = "@user g00d m0rning http://t.example/x to @bob all"
    found = leave_out(normalise(text, VOCABULARY), BOTH)
    start = found.text.index("good")
    assert found.offsets[start : start + 4] == (6, 7, 8, 9)
    assert found.offsets[found.text.index("all")] == text.index("all")
    assert text[found.offsets[found.text.index("to")] :].startswith("to")


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["@user", "http://x.example/y", "URL", "g00d", "😂", "a@b.example"]))
)
def test_places_fit_any_text_of_names(words: list[str]) -> None:
    text = " ".join(words)
    found = leave_out(normalise(text, VOCABULARY), BOTH)
    assert_places_fit(text, found)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("@StupidBitch hello", "@Stupid_Bitch hello"),
        ("@killyourself88", "@kill_yourself88"),
        ("http://x.example/you-killyourselffaggot", "http://x.example/you-kill_yourself_faggot"),
    ],
)
def test_an_insult_in_a_name_stands_as_words(text: str, read: str) -> None:
    assert normalise(text, VOCABULARY).text == read


@pytest.mark.parametrize(
    "text", ["@KateMiller88 @DailyNews", "@Hancock @Assad", "http://t.example/dieFkgayx"]
)
def test_other_names_stay_as_they_are(text: str) -> None:
    assert normalise(text, VOCABULARY).text == text


def test_a_model_reads_only_what_its_manifest_lets_it(tmp_path: Path) -> None:
    text, rest = "@user good www.site.example bad", "good bad"
    plain = windows_of(tmp_path / "plain")
    handles = windows_of(tmp_path / "handles", leaves_out=["mentions"])
    both = windows_of(tmp_path / "both", leaves_out=["mentions", "links"])

    assert both.cut(text) == plain.cut(rest)
    assert handles.cut(text) == plain.cut("good www.site.example bad")
    assert plain.cut(text) != plain.cut(rest)


def test_a_text_of_nothing_but_names_is_still_a_window() -> None:
    [folder] = Path("plugins/models").glob("sentiment-mini-*")
    shipped = Windows(folder / TOKENIZER, versions.load(folder))

    assert shipped.cut("@user http://t.example/x") == shipped.cut("")
    assert len(shipped.cut("@user " * 2000).windows) == 1
