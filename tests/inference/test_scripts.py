"""Letters of other scripts are read as the Latin ones they stand for, but not in real words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.disguises import STEMS
from inference.look_alikes import PLAIN
from inference.normalisation import Normalised, normalise

MASKED = [
    # Mixed with Latin letters.
    ("ғuck", "fuck"),
    ("fцck", "fuck"),
    ("fμck", "fuck"),
    ("Ꮮoser", "Loser"),
    ("I wіll fіnd yоu", "I will find you"),
    ("gо tо hеll", "go to hell"),
    ("gо hоme", "go home"),
    ("fucк you, hαte", "fuck you, hate"),
    ("TNFα, you fυck", "TNFα, you fuck"),
    ("уродливый stuріd", "уродливый stupid"),
    # Whole words of look-alikes.
    ("ᏦᎥᏞᏞ", "KiLL"),
    ("ᏦᎥᏞᏞ ᎽᎾU", "KiLL YOU"),
    ("ꮶꭵꮮꮮ", "kill"),
    ("ꓗꓲꓡꓡ yourself", "KILL yourself"),
    ("ᖴᑌᑕᛕ", "FUCK"),
    ("ⲕⲓⅼⅼ", "kill"),
    ("ⲕⲓⳑⳑ", "kill"),
    ("i нате you", "i hate you"),
    ("ѕех", "sex"),
    # Latin letters with strokes and hooks, of old prints and of phonetics.
    ("ƒuck", "fuck"),
    ("ʂhit", "shit"),
    ("ſhit", "shit"),
    ("kıll yourself lıttle pıg", "kill yourself little pig"),
    ("ɖɨɕk", "dick"),
    ("ƒ u ƈ k you", "fuck you"),
    ("ꜰᴜᴄᴋ ʏᴏᴜ", "fuck you"),
    ("ʜᴇʟʟᴏ ᴛʜᴇʀᴇ!!", "hello there!!"),
    ("!dіot, ѕh!t", "idiot, shit"),
    ("kɪll", "kill"),
    ("/fʌk/ and /ƒuck/", "/fʌk/ and /fuck/"),
    # Raised letters, numerals, signs of science.
    ("ᶠᵘᶜᵏ", "fuck"),
    ("ᶠᵘᶜᵏ ʸᵒᵘ ᵃ ˡᵒᵗ", "fuck you a lot"),
    ("fᵘᶜᵏ", "fuck"),
    ("ₛₕᵢₜ", "shit"),
    ("ⅰdⅰot", "idiot"),
    ("Ⅼoser", "Loser"),
    ("ℋℯℓℓℴ", "Hello"),
    ("ℱuck", "Fuck"),
    ("𝓲 𝓱𝓪𝓽𝓮 𝔂𝓸𝓾", "i hate you"),
    ("k𝐢ll", "kill"),
    ("𝓴 𝓲 𝓵 𝓵", "kill"),
    ("⒦⒤⒧⒧ you", "kill you"),
    ("🄚🄘🄛🄛", "KILL"),
]

REAL = [
    # Russian, Ukrainian, Bulgarian, Macedonian, Mongolian.
    "нет means no in Russian, and рот is a mouth",
    "СССР is the USSR, ТАСС and МХАТ are names",
    "соск",
    "нате вам",
    "Он сказал, что соска лежит дома. Сухо, тихо, хорошо.",
    "ракі та яблука, її сестра, ґанок",
    "USBшный диск и SMSка от IT-шника",
    "Ѕвезда и ѕид",
    "өдөр бүр, үнэ",
    # Greek, alone and in science.
    "ρακι is a drink and και means and",
    "το ρακι και το νερο",
    "TNFα and NFκB, IFNγ, PGC1α, β-carotene, αvβ3, PPARγ, αSMA, ERα, γH2AX, Gαq",
    "cosωt, sinα, λmax, ρgh, η = 0.4, Δx, μTorrent, 5 μm, 10 Ωm, σxy",
    # Scripts whose letters look Latin.
    "Բարեւ ձեզ, ինչպես եք",
    "ᎣᏏᏲ, ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",
    "ⲁⲛⲟⲕ ⲡⲉ ⲡⲓⲟⲩⲱⲓⲛ ⲛⲧⲉ ⲡⲓⲕⲟⲥⲙⲟⲥ",
    "ꓡꓲ‐ꓢꓴ ꓔꓳꓞ",
    "ᐃᓄᒃᑎᑐᑦ and ⵜⴰⵎⴰⵣⵉⵖⵜ and ᚠᚢᚦᚨᚱᚲ",
    # Latin letters of other languages and times.
    "sıkıcı kadın, kırmızı ışık, Iğdır, ağaç; həll, təşəkkür, qısa",
    "Łódź, złoty, łosoś; Øresund, smørrebrød, Ðjúpivogur, Þór; ħobż, Ġgantija",
    "đường đi, ɗan ƙasa, ƒe ɖe, ŋutsu, Ɛdɛn, ɔkɔm",
    "Congreſs of the poſſeſſed, ıſ it ſo?",
    # Phonetics.
    "/kɪl/, /ˈbɪt/, [ʃɪt], /dɒɡ/, /ɡʊd/, /fʌk/, [ɑː], /ʜɪʀ/",
    "the vowels ɪ and ʏ, tʰ, kʷ, ɡ, ə",
    # Formulas and units.
    "𝐸 = 𝑚𝑐², let 𝑥 be in ℝ, 𝑎𝑏 = 𝑐, 𝑓(𝑥)",
    "x ∈ ℝ, ℤ and ℚ, 5 ℓ of milk, 273 K, ℏ, ℜ, dℓ",
    "1ˢᵗ, 2ⁿᵈ, 5ᵗʰ, Mˡˡᵉ, Mᵐᵉ, nº 5, 1ª, xⁿ, eˣ, H₂O, CO₂, xᵢ, Tₘₐₓ, Brandᵀᴹ",
    "Louis ⅩⅣ, Chapter Ⅳ, ⅲ, ⅯⅯⅩ",
    "KoЯn, NIИ, ΛCDM, Toys Я Us",
]


@pytest.mark.parametrize(("masked", "plain"), MASKED)
def test_a_masked_word_is_read_in_latin_letters(masked: str, plain: str) -> None:
    assert normalise(masked).text == plain


@pytest.mark.parametrize("text", REAL)
def test_a_real_word_of_any_script_stays_as_it_is(text: str) -> None:
    assert normalise(text) == Normalised(text, tuple(range(len(text))))


def test_the_letters_of_one_numeral_point_at_it() -> None:
    found = normalise("dⅰe gⅳe")
    assert found.text == "die give"
    assert found.offsets == (0, 1, 2, 3, 4, 5, 5, 6)


LETTER_MASKS = {
    letter: [strange for strange, plain in PLAIN.items() if plain.lower() == letter]
    for letter in "abcdefghijklmnopqrstuvwxyz"
}


@st.composite
def masked_words(draw: st.DrawFn) -> tuple[str, str]:
    """A word worth hiding, and the same with some of its letters, not all, in look-alikes."""
    word = draw(st.sampled_from(STEMS))
    kept = draw(st.integers(0, len(word) - 1))
    masked = "".join(
        letter if at == kept else draw(st.sampled_from([letter, *LETTER_MASKS[letter]]))
        for at, letter in enumerate(word)
    )
    return word, masked


@given(masked_words())
@settings(max_examples=300, deadline=None)
def test_any_look_alikes_in_a_word_worth_hiding_are_read_in_their_places(
    words: tuple[str, str],
) -> None:
    word, masked = words
    found = normalise(f"you {masked}!")
    assert found.text.lower() == f"you {word}!"
    assert found.offsets == tuple(range(len(word) + 5))


@given(st.text(alphabet="".join(PLAIN) + "abz013 ./-[]\n", max_size=80))
@settings(max_examples=300, deadline=None)
def test_offsets_fit_texts_of_look_alikes(text: str) -> None:
    found = normalise(text)
    assert len(found.offsets) == len(found.text)
    assert list(found.offsets) == sorted(found.offsets)
    assert all(0 <= offset < len(text) for offset in found.offsets)
    assert normalise(text) == found
