"""Disguises are undone, innocent texts stay as they are, and every character keeps its place."""

import string
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.normalisation import Normalised, normalise
from tests.inference.places import assert_places_fit

DISGUISES = [
    ("k1ll you", "kill you"),
    ("sh!t happens", "shit happens"),
    ("a$$hole", "asshole"),
    ("f*ck this", "fuck this"),
    ("f**k", "fuck"),
    ("b!tch!!", "bitch!!"),
    ("f@ggot", "faggot"),
    ("5tup1d 1d10t", "stupid idiot"),
    ("h4t3 you", "hate you"),
    ("w0rld", "world"),
    ("k i l l y o u r s e l f now", "kill yourself now"),
    ("f u c k  y o u", "fuck you"),
    ("f.u.c.k you", "fuck you"),
    ("f-a-g", "fag"),
    ("f_u_c_k_i_n_g", "fucking"),
    ("h e l l o", "hello"),
    ("fuuuuuck", "fuck"),
    ("hellooooo", "hello"),
    ("coooool", "cool"),
    ("k\u0456ll y\u043eu", "kill you"),
    ("\u0455tup\u0456d", "stupid"),
    ("the \u0441\u043e\u0441\u0430 cola", "the coca cola"),
    ("\uff4b\uff49\uff4c\uff4c", "kill"),
    ("\U0001d4f4\U0001d4f2\U0001d4f5\U0001d4f5 you", "kill you"),
    ("\u24da\u24d8\u24db\u24db", "kill"),
    ("\U0001f171itch", "Bitch"),
    ("k\u200bi\u200bl\u200dl", "kill"),
    ("\u202ekill\u202c you", "kill you"),
    ("so\u00adft", "soft"),
    ("ki\ufe0fll", "kill"),
    ("\ud800kill\udfff", "kill"),
    ("ki\x00ll", "kill"),
    ("\U0001f602", " laughing "),
    ("\U0001f595 you", " fuck you  you"),
    ("kill\u2800yourself", "kill yourself"),
    ("k\u2800i\u2800l\u2800l", "kill"),
    ("go kill\u02d9 \u00afyourself", "go kill   yourself"),
    ("kill\u2192yourself", "kill yourself"),
    ("kill\u2219\ue000\u2b1byou", "kill   you"),
    ("k\u20ddi\u20ddl\u20ddl\u20dd", "kill"),
    ("ki\u1dc4\ufe20ll", "kill"),
    ("fvck you, you cvnt", "fuck you, you cunt"),
    ("FVCKING vgly", "fucking ugly"),
    ("fu¢k", "fuck"),
    ("k\ni\nl\nl", "kill"),
    ("k\r\ni\r\nl\r\nl\r\n\r\ny\r\no\r\nu", "kill you"),
    ("kiII the sIut", "kill the slut"),
    ("KlLL the lDlOT", "kill the idiot"),
    ("klll", "kill"),
    ("brrrrrrrr", "brrr"),
    ("ja1lbait", "jailbait"),
    ("cl0wnnnn", "clown"),
    ("\ufb01le", "file"),
]

INNOCENT = [
    # Place names and surnames.
    "Scunthorpe, Penistone, Cockermouth, Clitheroe, Fucking in Austria, Dildo in Newfoundland",
    "Essex, Sussex, Middlesex and Wank mountain; Condom, Intercourse, Lake Titicaca",
    "Dick Cheney, Mr Cockburn, Ms Hancock, Jacqueline Woodcock, Bart Wanker, Nguyen Phuc",
    "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch".replace("llll", "ll"),
    "D'Artagnan, O'Neill, J. R. R. Tolkien, George R. R. Martin, R. L. Stine, Malcolm X",
    # Technical terms, codes and numbers.
    "mp3 mp4 h264 x86 log4j k8s i18n l10n a11y b2b p2p e2e w3c utf8 sha256 ipv6 base64",
    "covid19 h1n1 r2d2 c3po 4chan 2pac 50cent 7zip ps5 xbox360 rtx4090 gpt4 python3",
    "call 0800 123 456, order #A1B2C3, flight BA117, seat 14F, gate B4, iban DE89 3704",
    "C++ and C#, 5pm, $5 each, 3.14, 1e10, 10%, 2x4, 1st 2nd 3rd 4th, v1.2.3, 7/11, 24/7",
    "if (a || b) { x[0] += 1; } // TODO-free",
    "https://example.org/a1b2?k1ll=sh1t www.example.com/f4g me@s1te.org",
    "R0SE-1A2B-K1NG-77XY",
    "the CO2 and H2O levels, vitamin B12, the A4 paper, the M25, a G7 meeting, U2 live",
    # Spelled letters that are abbreviations.
    "U.S.A., U.K., e.g. this, i.e. that, p.m., a.s.a.p., U.S.S.R., D.I.Y., Ph.D., A B C D E",
    "a b c d e f g", "plan a or b", "x y z axes", "can i b u y it",
    # Repeats that mean something.
    "www XXX WWW III VIII aaa zzz 1000000 ...... !!!!! ?????",
    "brrr, grrr, hmmm, shhh, pfff, tsss, psst",
    # Letters on lines of their own.
    "a\nb\nc\nd", "1\n2\n3\n4", "y\ne\ns", "a\nd\nb\nc\na\ne",
    # Names with signs.
    "A$AP Rocky, Ke$ha, P!nk, deadmau5, blink-182, Se7en, will.i.am, tUnE-yArDs, KoЯn, NIИ",
    "7-Eleven, 3M, H&M, Toys Я Us, WALL-E, $uicideboy$, HoI4, LaTeX III, WiII, MkIII, iPad",
    "md5sum, mp3tag, ps4pro, i3wm, s3fs, h5py, sha1sum, K8s, 7zip, web3js, log4net",
    "McIntyre, GVN, CVM, KVM, TVs, DVDs, NVMe, LVMH, rsvp, svn, pvp",
    "he1per in doubt, a1phabet",
    # Other scripts.
    "Привет, как дела? Это обычное предложение.",
    "γεια σου κόσμε, αυτό είναι ένα κείμενο",
    "μg of β-carotene at 25 °C, ΔT and λ",
    "これは普通の文章です。 カタカナ 한국어 문장 中文句子",
    "नमस्ते दुनिया क्षत्रिय می‌خواهم كتاب שלום עולם ภาษาไทย",
    "25°C → 77°F, 5×3 ± 1, ≥ 18, R&D™ © 2020, № 5, a ≠ b",
    "naïve café über Straße señor façade Łódź İstanbul Tiếng Việt",
    # Plain talk.
    "hello there, how are you today?", "I can't, it's 5 o'clock", "well-being and co-operation",
    "", " ", "\n", "a",
]  # fmt: skip


@pytest.mark.parametrize(("disguised", "plain"), DISGUISES)
def test_a_disguise_is_undone(disguised: str, plain: str) -> None:
    assert normalise(disguised).text == plain


@pytest.mark.parametrize("text", INNOCENT)
def test_an_innocent_text_stays_as_it_is(text: str) -> None:
    assert normalise(text) == Normalised(text, tuple(range(len(text))))


def test_characters_know_where_they_came_from() -> None:
    original = "so f.u.c.k you"
    found = normalise(original)
    assert found.text == "so fuck you"
    assert [original[i] for i in found.offsets] == list("so fuck you")


def test_a_disguised_letter_points_at_its_disguise() -> None:
    original = "you 1d10t \u0455\u200bhit"
    found = normalise(original)
    start = found.text.index("idiot")
    assert original[found.offsets[start] : found.offsets[start + 4] + 1] == "1d10t"
    start = found.text.index("shit")
    assert original[found.offsets[start] : found.offsets[start + 3] + 1] == "\u0455\u200bhit"


def test_the_words_for_an_emoji_point_at_the_emoji() -> None:
    found = normalise("no \U0001f595")
    assert set(found.offsets[3:]) == {3}


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_offsets_fit_any_text(text: str) -> None:
    found = normalise(text)
    assert_places_fit(text, found)
    assert normalise(text) == found
    found.text.encode("utf-8")


TRICKS = st.text(
    alphabet=string.ascii_letters
    + "013457@$!*._-/[] \r\n\u200b\u0430\u0435\U0001f602\ud800"
    + "ᏦᎥᏞғƒſᶠᵘⅳⅼⲕꜰᴜᴄᴋαЯꓗ🇫🇺🇷𝓴⒦ﬁℓ🍆💦🖕👉👌\u0301"
)


@given(TRICKS)
@settings(max_examples=300, deadline=None)
def test_offsets_fit_texts_made_of_tricks(text: str) -> None:
    found = normalise(text)
    assert_places_fit(text, found)


@given(st.text(alphabet=string.ascii_lowercase[:8] + " ,.", max_size=60))
def test_what_is_kept_is_the_character_it_points_at(text: str) -> None:
    found = normalise(text)
    for character, offset in zip(found.text, found.offsets, strict=True):
        assert character in {text[offset], " "}


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        "ab",
        "a.",
        "a ",
        "1a",
        "k i l l ",
        "*a",
        "\u200b",
        "@a ",
        "\u0430 b",
        "a\u0301\u0301",
        "\u200c",
        "\u200d",
        "a\u0301",
        "a\u2800",
        "a\n",
        "a\r\n\r\n",
        "kI",
        "fv",
        "lll",
        "ᏦᎥ",
        "ᏦᎥ ",
        "а. ",
        "/а",
        "[а",
        "ᶠ",
        "ⅳ",
        "𝓴 ",
        "🇫",
        "🍆💦",
        "🍆 ",
        "ƒé",
    ],
)
def test_ten_thousand_characters_of_anything_are_no_burden(unit: str) -> None:
    text = (unit * 10_000)[:10_000]
    start = time.perf_counter()
    found = normalise(text)
    assert time.perf_counter() - start < 2.0
    assert len(found.offsets) == len(found.text)


def test_a_text_of_nothing_but_invisible_marks_becomes_empty() -> None:
    assert normalise("\u200b\u200e\ufeff\x00\ud83d") == Normalised("", ())


@pytest.mark.parametrize("length", [91, 135, 1000])
def test_an_endless_word_is_split_into_pieces_that_a_tokenizer_reads(length: int) -> None:
    word = ("stupididiot" * 100)[:length]
    found = normalise(f"you {word}!")

    assert max(map(len, found.text.split())) <= 46
    assert found.text.replace(" ", "") == f"you{word}!"
    assert [f"you {word}!"[at] for at in found.offsets if at > 3][-1] == "!"


def test_a_long_word_that_a_tokenizer_knows_how_to_read_stays_whole() -> None:
    word = "ab" * 45
    assert normalise(word).text == word


def test_the_places_of_an_endless_word_never_go_back() -> None:
    offsets = normalise("x" + "yz" * 300).offsets
    assert list(offsets) == sorted(offsets)
