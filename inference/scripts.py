"""Which words wear the letters of other scripts as a disguise, and which are what they seem.

A word is a disguise if Latin letters and strange ones are mixed in it, or if it reads as a word
worth hiding; a real word of another language, a transcription and a formula are none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from inference.disguises import COMMON, read, segment, stem_of
from inference.look_alikes import (
    ACCENTED,
    ALIKE,
    FAUX,
    PLAIN,
    RARE,
    SAME,
    script_of,
    sort_of,
)

STRANGE = "".join(PLAIN)
"""All letters that are taken for Latin ones."""

_LIVING = frozenset({"cyrillic", "greek", "armenian"})
_STYLES = ({"phonetic"}, {"raised"})
_LATIN_SORTS = frozenset({"stroked", "phonetic", "raised", "roman", "formed"})

_LETTER = re.compile("[A-Za-z]")
_FOREIGN = re.compile(
    "[\u0370-\u03ff\u0400-\u052f\u0531-\u058f\u13a0-\u13fd\u1f00-\u1fff\u2c80-\u2cff"
    "\ua4d0-\ua4fd\uab70-\uabbf]"
)
_LETTERS = f"[a-zA-Z0-9@${STRANGE}{''.join(ACCENTED)}]"
WORD = re.compile(f"!?{_LETTERS}+(?:!+{_LETTERS}+)*")
SPELLED = re.compile(
    rf"(?<!\w)[A-Za-z{STRANGE}](?:[ \t\n.\-*/]{{1,2}}[A-Za-z{STRANGE}]){{2,}}(?!\w)"
)
_TRANSCRIPTION = re.compile(r"/[^/\n]{1,80}/|\[[^\[\]\n]{1,80}\]")
_REPEATED = re.compile(r"(.)\1{2,}")

_QUANTITIES = frozenset("γηνρστχω")
"""Greek letters that stand for themselves in the middle of a word too, as in `cosωt`."""
_GREEK_SMALL = frozenset("αβγδεζηθικλμνξοπρςστυφχψω")
_ACRONYM_WITH_ENDING = re.compile("[A-Z][A-Za-z]*[\u0400-\u04ff]+")

REAL_WORDS = frozenset({"соск", "соска", "соску", "ρακι", "ракі"})
"""Words of other languages, all of look-alikes, that read as words worth hiding."""


@dataclass(frozen=True, slots=True)
class _Word:
    """What the letters of a word tell without the text around it."""

    text: str
    strange: frozenset[str]
    sorts: frozenset[str]
    """Sorts or scripts of its strange letters, and `faux` if some are Latin ones only in play."""
    is_mixed: bool
    """Whether letters of two scripts are in it; numerals and such count as another one."""
    is_all_strange: bool
    is_worth_hiding: bool


class Scripts:
    """What the letters of a text as a whole say of the strange ones in its words."""

    def __init__(self, text: str) -> None:
        self.text = text
        foreign = _FOREIGN.findall(text)
        latin = len(_LETTER.findall(text))
        self.genuine = {script_of(c) for c in set(foreign) - ALIKE.keys()}
        """Scripts with letters that look like no Latin one."""
        self.is_native = (
            not latin and {sort_of(c) for c in set(text) & PLAIN.keys()} <= self.genuine
        )
        """Whether it has no letters but those of such scripts."""
        self.pretending = not self.genuine and latin > 2 and latin >= len(foreign)
        """Whether the text is Latin, so that strange letters in it look out of place."""
        self.spans = [match.span() for match in _TRANSCRIPTION.finditer(text)]
        self.found: set[str] = set()
        """Sorts of letters that disguise a word worth hiding, or are a whole style of writing."""
        if not self.is_native:
            for match in WORD.finditer(text):
                self._learn(match)

    def unmasked(self, match: re.Match[str]) -> list[tuple[str, int]] | None:
        """The word in Latin letters with their places, unless it is what it seems."""
        word = _known(match[0])
        if not word.strange or not self._is_whole(match):
            return None
        hides = self._may_hide(word) if word.is_worth_hiding else self._is_dressed(match, word)
        return _plain_pieces(word.text) if hides else None

    def spelled(self, match: re.Match[str]) -> list[tuple[str, int]] | None:
        """Letters with blanks between that spell words worth hiding, some of them strange."""
        strange = PLAIN.keys() & set(match[0])
        if not strange or {script_of(c) for c in strange} & self.genuine:
            return None
        letters = "".join(PLAIN.get(c, c) for c in match[0] if c.isalpha())
        return _plain_pieces(match[0]) if segment(letters.lower()) else None

    def _learn(self, match: re.Match[str]) -> None:
        word = _known(match[0])
        if not word.strange or not self._is_whole(match):
            return
        style = word.is_all_strange and len(word.text) > 2 and word.sorts in _STYLES
        hides = word.is_worth_hiding and self._may_hide(word)
        if hides or (style and not self._is_transcribed(match.start())):
            self.found |= word.sorts

    def _is_whole(self, match: re.Match[str]) -> bool:
        """Whether no letter of yet another kind is beside it."""
        start, end = match.span()
        beside = self.text[max(0, start - 1) : start], self.text[end : end + 1]
        return not any(map(str.isalpha, beside))

    def _is_transcribed(self, place: int) -> bool:
        number = bisect_right(self.spans, (place, len(self.text)))
        return number > 0 and place < self.spans[number - 1][1]

    def _may_hide(self, word: _Word) -> bool:
        """Whether a word that reads as one worth hiding isn't a real word of its own script."""
        if word.text.lower() in REAL_WORDS or len(word.text) < 3:
            return False
        scripts = word.sorts - {"faux"}
        if word.is_mixed or scripts <= _LATIN_SORTS or self.pretending:
            return True
        if scripts & self.genuine:
            return False
        return not scripts & _LIVING or bool(word.strange & RARE)

    def _is_dressed(self, match: re.Match[str], word: _Word) -> bool:
        """Whether any other word is a Latin one in strange letters."""
        if self._is_transcribed(match.start()):
            return False
        playful = word.sorts & {"stroked", "faux"}
        if playful:
            return bool(playful & self.found)
        if "raised" in word.sorts:
            return word.is_all_strange and "raised" in self.found
        if word.is_mixed:
            return self._is_long_enough(word) and not self._is_term(word)
        return self._is_whole_disguise(word)

    def _is_long_enough(self, word: _Word) -> bool:
        """Whether it's no unit or quantity of two letters."""
        if len(word.text) > 2 or word.sorts & self.found:
            return True
        return self.pretending and word.strange <= SAME.keys()

    def _is_whole_disguise(self, word: _Word) -> bool:
        if word.sorts <= {"phonetic"}:
            return "phonetic" in self.found
        if word.sorts <= {"formed"}:
            return len(word.text) > 2
        if not self.pretending or "roman" in word.sorts:
            return False
        if word.sorts & _LIVING:
            return word.strange <= SAME.keys()
        return bool(word.sorts & self.found) or _plain(word.text).lower() in COMMON

    def _is_term(self, word: _Word) -> bool:
        """Whether the letters mean themselves: `TNFα`, `NFκB`, a Russian ending of an acronym."""
        text, strange = word.text, word.strange
        if "cyrillic" in self.genuine and _ACRONYM_WITH_ENDING.fullmatch(text):
            return True
        if len(strange) > 1 or strange <= SAME.keys() or not strange <= _GREEK_SMALL:
            return False
        rest = "".join(c for c in text if c not in strange and c.isalpha())
        inside = text[0] not in strange and text[-1] not in strange
        return len(text) < 4 or rest.isupper() or not inside or strange <= _QUANTITIES


@lru_cache(maxsize=4096)
def _known(text: str) -> _Word:
    strange = frozenset(PLAIN.keys() & set(text))
    sorts = frozenset(map(sort_of, strange))
    reading = _plain(text).lower()
    readings = (reading, _REPEATED.sub(r"\1", reading)) if strange else ()
    return _Word(
        text,
        strange,
        sorts | {"faux"} if strange & FAUX.keys() else sorts,
        is_mixed=len(sorts) > 1 or _LETTER.search(text) is not None,
        is_all_strange=strange == set(text),
        is_worth_hiding=any(stem_of(each) or read(each) for each in readings),
    )


def _plain(word: str) -> str:
    """The word as it is taken for, accents left away."""
    return "".join(PLAIN.get(c) or ACCENTED.get(c, c) for c in word)


def _plain_pieces(word: str) -> list[tuple[str, int]]:
    return [(plain, i) for i, c in enumerate(word) for plain in PLAIN.get(c, c)]
