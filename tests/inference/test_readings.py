"""With a vocabulary, words are read as the known ones that they are a disguise of."""

import itertools
import json
import string
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.normalisation import Normalised, normalise
from inference.vocabulary import Vocabulary
from tests.inference import test_normalisation
from tests.inference.places import assert_places_fit

ROOT = Path(__file__).resolve().parent.parent.parent
[FOLDER] = ROOT.glob("plugins/models/guard-mini-*")
NUMBERS = json.loads((FOLDER / "tokenizer.json").read_text())["model"]["vocab"]
VOCABULARY = Vocabulary(sorted(NUMBERS, key=NUMBERS.__getitem__))

DISGUISES = [
    ("a tra1l of w0rds", "a trail of words"),
    ("wh173 p30p13 dr1v3", "white people drive"),
    ("go 8ack, 7rump!", "go back, trump!"),
    ("he|p me, my fr!end", "help me, my friend"),
    (
        "7h15 c0un7ry n33d5 b3tt3r p30p13, m8 w1th c14p7r4p5",
        "this country needs better people, m8 with claptraps",
    ),
    ("brought a fl4shl1ght", "brought a flashlight"),
    ("W h a t are t h e y doing", "what are they doing"),
    ("n o b o d y l i k e s y o u r f r i e n d s", "nobody likes your friends"),
    ("is a h o t b e d of it", "is a hot bed of it"),
    ("g-a-r-b-a-g-e", "garbage"),
    ("that's g@rbage", "that's garbage"),
    ("the gov*rnment is cor#upt", "the government is corrupt"),
    ("a complete r*cist", "a complete racist"),
    ("you are gabrage", "you are garbage"),
    ("taht is wierd, tehy said", "that is weird, they said"),
    ("Gabrage! Thier thnigs are gabrage, raelly", "Garbage! Their things are garbage, really"),
    ("nbdy lks the ppl, frgt thm", "nobody looks the people, forget them"),
    ("you stpd thing", "you stupid thing"),
]

INNOCENT = [
    *(text for text in test_normalisation.INNOCENT if "he1per" not in text),
    "on the 80th and 100th day, 50mg, 10am, 10ft, 50ft, 80lb, 1080p, 4k, 90s, 4way, 1ton, 3ds",
    "C3PO, R2D2, B2B, H2O, A4, M1A2, 7up, 5G, p2p, MP3, G20, covid19, 2pac, blink182, sum41",
    "se7en, l10n, i18n, a11y, k8s, x86, 64bit, 0xdeadbeef, 0xB00B, dead10cc, top10, area51",
    "iphone5, room5, level3, team1, python3, windows7, user10, part1, section4, gpt4, day1",
    "plates K1LL3R, B055 M4N, 5L0W 4U, AB12 CDE, serial B00B-1354-57A7",
    "aGVsbG8gd29ybGQ= YmFzZTY0 SGVsbG8xMjM0 dGhpcyBpcyBhIHRlc3Q= /b00k/p4ge a_b00k=1",
    "550e8400-e29b-41d4-a716-446655440000 5f4dcc3b5aa765d61d8327deb882cf99 9e107d9d",
    "$5 each, $100, 5$, @user, @u53r, #1, 50%, 12:30, 3x4, 1+1=2, a+b, foo|bar, a|b|c",
    "fb2k, 3com, 1and1, 4chan, 9gag, 7zip, 100k, 1337, 1up, s01e05, b4 gr8 m8 l8r 2nite 4ever",
    "*word*, **bold**, a*b, 2*3, *.txt, char *p, **kwargs, note*, width*height, n*log(n), x*y*z",
    "int main(void) { char *s = argv[1]; return a*b; } grep -r foo* src/*.py && ls -la",
    "html, https, png, mvp, pls, thx, rhythm, nth, tsk, grr, hmm, brr, Lynch, Ng, Smyth, Schwartz",
    "thx pls, tldr pls msg me btw, html css xml, sqrt, strcmp, fprintf, mkdir, kbps, gdpr",
    "Siobhan, Maire, Jaon, Aoife, Nguyen, Ahmed, Kyel, Farley, Midler, Mian, Trud, Siad",
    "snag, loin, bras, crass, calms, form from, trail trial, casual causal, angel angle",
    "ich habe das nicht gesehen, weil der Zug gestern zu spat kam und wir nicht fahren konnten",
    "je ne sais pas pourquoi vous avez fait cela hier soir avec votre frere",
    "no se porque usted no quiere venir conmigo a la playa este verano",
    "ik weet niet waarom je gisteren niet naar het feest bent gekomen",
    "U.S.A., U.S.S.R., N.A.S.A., N.A.T.O., U S A, N A S A, A B C D E, J. R. R. Tolkien",
    "a b c d e f g, x y z, the keys w a s d, i o u, y = a x + b z, a - b - c, 1 2 3 4 5",
    "what a movie! me too! oh man! one more! an idea!",
]


@pytest.mark.parametrize(("disguised", "plain"), DISGUISES)
def test_a_disguise_of_a_known_word_is_undone(disguised: str, plain: str) -> None:
    assert normalise(disguised, VOCABULARY).text == plain


@pytest.mark.parametrize(("disguised", "plain"), test_normalisation.DISGUISES)
def test_what_is_undone_without_a_vocabulary_is_with_one(disguised: str, plain: str) -> None:
    assert normalise(disguised, VOCABULARY).text == plain


@pytest.mark.parametrize("text", INNOCENT)
def test_an_innocent_text_stays_as_it_is(text: str) -> None:
    assert normalise(text, VOCABULARY) == Normalised(text, tuple(range(len(text))))


def test_restored_vowels_point_at_the_letters_before_them() -> None:
    original = "you stpd"
    found = normalise(original, VOCABULARY)
    assert found.text == "you stupid"
    assert [original[at] for at in found.offsets[4:]] == list("sttppd")


WORDS = st.sampled_from(sorted(VOCABULARY.skeletons.values())[:4000])
PIECES = st.text(
    alphabet=string.ascii_letters + "013457@$!*._-/[]# \n\u200b\u0430\U0001f602", max_size=8
)


@given(st.lists(st.one_of(WORDS, PIECES, st.sampled_from(["stpd", "7h15", "taht", "f*nny"]))))
@settings(max_examples=300, deadline=None)
def test_offsets_fit_any_text(parts: list[str]) -> None:
    text = " ".join(parts)
    assert_places_fit(text, normalise(text, VOCABULARY))


UNITS = ["1a", "l1l1l1l1e3 ", "a*", "abc*de ", "k l m ", "stpd ", "taht ", "bcdfghj ", "x1y1z1w1q "]


@pytest.mark.parametrize("unit", UNITS)
def test_ten_thousand_characters_of_anything_are_no_burden(unit: str) -> None:
    text = (unit * 10_000)[:10_000]
    start = time.perf_counter()
    found = normalise(text, VOCABULARY)
    assert time.perf_counter() - start < 2.0
    assert len(found.offsets) == len(found.text)


def test_many_different_unknown_words_are_no_burden() -> None:
    letters = itertools.product("bdfg", "hj1l", "mnpq0", "1s3", "1a", "ck")
    text = " ".join(f"{a}{b}1{c}{d}{e}{f}" for a, b, c, d, e, f in letters)[:10_000]
    start = time.perf_counter()
    normalise(text, VOCABULARY)
    assert time.perf_counter() - start < 2.0
