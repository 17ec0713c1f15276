"""Which letters are taken for Latin ones, after Unicode's TR39, and what sort of letters they are.

The tables of whole alphabets are written by hand; letters of the Latin script are found by their
Unicode names, and superscripts and the like by their decompositions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache


def _table(groups: str) -> dict[str, str]:
    """Groups with blanks between; each is a Latin letter and then what looks like it."""
    return {strange: group[0] for group in groups.split() for strange in group[1:]}


SAME = _table("aа cс dԁ eе hһ iі jј lӏ oоοօ pр qԛ sѕ vѵ wԝ xх yу")
"""Small letters that nobody can tell from Latin ones."""

RARE = frozenset("ԁԛԝһѵӏѕ")
"""Those of them that few living languages write."""

ALIKE = SAME | _table(
    # Cyrillic, Greek, Armenian.
    "AА BВ EЕЁ HНҢҤҺӉ IІЇӀ JЈ KКҚҜҞҠӃ MМӍ OОӨ PР CСҪ TТҬ XХҲӼӾ YУҮҰ SЅ GԌ WԜѠ QԚ VѴ DԀ FҒ"
    " bв eёҽ fғ gԍ hнңҥӊђћԧ iї kкқҝҟҡӄ mмӎ nп oө cҫҁ rг tтҭ wѡ xҳӽӿ yүұ"
    " AΑ BΒ EΕ ZΖ HΗ IΙ JͿ KΚ MΜ NΝ OΟ PΡ TΤ YΥϒ XΧ CϹ FϜ"
    " aα eε iι kκϰ vν pρϱ tτ uυ xχ nη wω yγ oσ cϲ jϳ"
    " uս hհի nոռ gցգ qզ wա jյ lլ fք tե UՍ SՏ OՕ LԼ HՀ"
    # Cherokee, Lisu.
    " AᎪ BᏴ CᏟ DᎠ EᎬ GᏀᏳ HᎻ JᎫ KᏦ LᏞ MᎷ OᎾᎤ PᏢ RᎡᏒ SᏕᏚᎦ TᎢ VᏙ WᎳᏔ YᎩᎽ ZᏃ bᏏ dᏧ hᏂ iᎥ"
    " Aꓮ Bꓐ Cꓚ Dꓓ Eꓰ Fꓝ Gꓖ Hꓧ Iꓲ Jꓙ Kꓗ Lꓡ Mꓟ Nꓠ Oꓳ Pꓑ Rꓣ Sꓢ Tꓔ Uꓴ Vꓦ Wꓪ Xꓫ Yꓬ Zꓜ"
    # Canadian syllabics, runes, Tifinagh, Old Italic, Deseret.
    " Aᗩ Bᗷ Cᑕ Dᗪᗞ Eᗴ Fᖴ Gᘜ Hᕼ Jᒍ Kᛕ Lᒪ Mᗰ Nᑎ Pᑭ Qᑫ Rᖇ Sᔕ Uᑌ Vᐯ Wᗯ Xᕁ Zᘔ bᑲᖯ dᑯ"
    " Bᛒ Fᚠ Iᛁ Mᛖ Rᚱ Xᚷ Eⴹ Iⵊ Oⵔⵙ lⵏ Xⵝ A𐌀 B𐌁 E𐌄 F𐌅 I𐌉 K𐌊 M𐌌 O𐌏 T𐌕 X𐌗 C𐐕 O𐐄 o𐐬 s𐑈"
)
"""Letters of other scripts that look like Latin ones, the small ones often like capitals."""

_COPTIC = _table("aⲁ bⲃ cⲥ eⲉ hⲏ iⲓ kⲕ lⳑ mⲙ nⲛ oⲟ pⲣ qϥ rⲅ tⲧ wⲱ xⲭ yⲩ zⲍ")
ALIKE |= _COPTIC | {strange.upper(): plain.upper() for strange, plain in _COPTIC.items()}
ALIKE |= {c.lower(): plain.lower() for c, plain in ALIKE.items() if "\u13a0" <= c <= "\u13f5"}

FAUX = _table("uцџμµ UЦЏ nиπ NИП rя RЯ wшщ WШЩ bьбβ BЬБ eэє EЭЄΣΞ aд AДЛΛΔ yч YЧ sς dδ xж")
"""Letters of other scripts that are put for Latin ones only in play."""


_LATIN_BLOCKS = (
    (0xC0, 0x2AF), (0x1D00, 0x1D8F), (0x2C60, 0x2C7F), (0xA720, 0xA7FF), (0xAB30, 0xAB6F),
)  # fmt: skip


def _letters(first: int, last: int) -> Iterable[str]:
    return filter(str.isalpha, map(chr, range(first, last + 1)))


def _named(pattern: str) -> dict[str, str]:
    """Letters whose Unicode name tells the Latin letter, and that are no letter with an accent."""
    found: dict[str, str] = {}
    for bounds in _LATIN_BLOCKS:
        for character in _letters(*bounds):
            match = re.fullmatch(pattern, unicodedata.name(character, ""))
            if match and not unicodedata.decomposition(character):
                small = match[1].lower()
                found[character] = match[1] if character.isupper() else small
    return found


def _decomposed(kinds: tuple[str, ...], *bounds: tuple[int, int]) -> dict[str, str]:
    """Letters whose decomposition is of such a kind and ends in plain Latin letters."""
    found: dict[str, str] = {}
    for first, last in bounds:
        for character in map(chr, range(first, last + 1)):
            plain = unicodedata.normalize("NFKC", character)
            kind = unicodedata.decomposition(character).partition(" ")[0]
            if kind in kinds and plain.isascii() and plain.isalpha():
                found[character] = plain
    return found


PHONETIC = _named("LATIN LETTER SMALL CAPITAL ([A-Z])") | _table("aɑ gɡ")
"""Small capitals, which no language but that of phonetics writes."""

STROKED = _named("LATIN (?:SMALL|CAPITAL) LETTER ([A-Z])(?: WITH .+)") | _table(
    "dð DÐ eɛǝ gᵹ iıɩ kĸ nŋ NŊ oɔ pþ rɾꞃ sſꞅ tꞇ uʊ wɯ fꝼ"
)
"""Latin letters with strokes and hooks, and such that some languages add."""

RAISED = _decomposed(
    ("<super>", "<sub>"), (0xAA, 0xBA), (0x2B0, 0x2E3), (0x1D2C, 0x1DBF), (0x2071, 0x209C),
    (0x2C7C, 0x2C7D),
)  # fmt: skip
"""Letters above or below the line."""

ROMAN = _decomposed(("<compat>",), (0x2160, 0x217F))
"""Roman numerals of one character."""

FORMED = _decomposed(("<font>",), (0x2100, 0x214F)) | {"\u212a": "K"}
"""Letters that stand for numbers and units in science."""

PLAIN = STROKED | PHONETIC | RAISED | ROMAN | FORMED | FAUX | ALIKE
"""Every strange letter to the Latin ones that it is taken for."""

ACCENTED = {
    character: unicodedata.normalize("NFD", character)[0]
    for first, last in ((0xC0, 0x24F), (0x1E00, 0x1EFF))
    for character in _letters(first, last)
    if "A" <= unicodedata.normalize("NFD", character)[0] <= "z"
}
"""Latin letters with accents; a tokenizer reads them as they are."""

_SORTS = {
    **dict.fromkeys(STROKED, "stroked"), **dict.fromkeys(PHONETIC, "phonetic"),
    **dict.fromkeys(RAISED, "raised"), **dict.fromkeys(ROMAN, "roman"),
    **dict.fromkeys(FORMED, "formed"),
}  # fmt: skip


@lru_cache(maxsize=2048)
def sort_of(character: str) -> str:
    """A sort of Latin letters, or the script, of a strange letter."""
    return _SORTS.get(character) or script_of(character)


@lru_cache(maxsize=2048)
def script_of(character: str) -> str:
    """The first word of its Unicode name, which is a script for the letters of most."""
    return unicodedata.name(character, "none").partition(" ")[0].lower()
