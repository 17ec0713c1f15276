"""Which words wear the letters of other scripts as a disguise, and which are what they seem.

A word is a disguise if Latin letters and strange ones are mixed in it, or if it reads as a word
worth hiding; a real word of another language, a transcription and a formula are none.
"""

from __future__ import annotations

import re
from bisect import bisect_right
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


class Scripts:
    """What the letters of a text as a whole say of the strange ones in its words."""

    def __init__(self, text: str) -> None:
        self.text = text
        foreign = _FOREIGN.findall(text)
        latin = len(_LETTER.findall(text))
        self.genuine = {script_of(c) for c in foreign if c not in ALIKE}
        """Scripts with letters that look like no Latin one."""
        self.pretending = not self.genuine and latin > 2 and latin >= len(foreign)
        """Whether the text is Latin, so that strange letters in it look out of place."""
        self.spans = [match.span() for match in _TRANSCRIPTION.finditer(text)]
        self.found: set[str] = set()
        """Sorts of letters that disguise a word worth hiding, or are a whole style of writing."""
        for match in WORD.finditer(text):
            self._learn(match)

    def unmasked(self, match: re.Match[str]) -> list[tuple[str, int]] | None:
        """The word in Latin letters with their places, unless it is what it seems."""
        word = match[0]
        strange = _strange(word)
        if not strange or not self._is_whole(match):
            return None
        if _is_worth_hiding(word):
            unmask = self._may_hide(word, strange)
        else:
            unmask = self._is_dressed(match, strange)
        return plain_pieces(word) if unmask else None

    def spelled(self, match: re.Match[str]) -> list[tuple[str, int]] | None:
        """Letters with blanks between that spell words worth hiding, some of them strange."""
        strange = _strange(match[0])
        if not strange or {script_of(c) for c in strange} & self.genuine:
            return None
        letters = "".join(PLAIN.get(c, c) for c in match[0] if c.isalpha())
        return plain_pieces(match[0]) if segment(letters.lower()) else None

    def _learn(self, match: re.Match[str]) -> None:
        word = match[0]
        strange = _strange(word)
        if not strange or not self._is_whole(match):
            return
        hides = _is_worth_hiding(word) and self._may_hide(word, strange)
        if hides or (_is_style(word, strange) and not self._is_transcribed(match.start())):
            self.found |= _sorts(strange)

    def _is_whole(self, match: re.Match[str]) -> bool:
        """Whether no letter of yet another kind is beside it."""
        start, end = match.span()
        return not any(c.isalpha() for c in self.text[max(0, start - 1) : start]) and not any(
            c.isalpha() for c in self.text[end : end + 1]
        )

    def _is_transcribed(self, place: int) -> bool:
        number = bisect_right(self.spans, (place, len(self.text)))
        return number > 0 and place < self.spans[number - 1][1]

    def _may_hide(self, word: str, strange: set[str]) -> bool:
        """Whether a word that reads as one worth hiding isn't a real word of its own script."""
        if word.lower() in REAL_WORDS or len(word) < 3:
            return False
        scripts = _sorts(strange) - {"faux"}
        if _is_mixed(word, strange) or scripts <= _LATIN_SORTS or self.pretending:
            return True
        if scripts & self.genuine:
            return False
        return not scripts & _LIVING or bool(strange & RARE)

    def _is_dressed(self, match: re.Match[str], strange: set[str]) -> bool:
        """Whether any other word is a Latin one in strange letters."""
        word = match[0]
        sorts = _sorts(strange)
        if self._is_transcribed(match.start()):
            return False
        playful = sorts & {"stroked", "faux"}
        if playful:
            return bool(playful & self.found)
        if "raised" in sorts:
            return set(word) == strange and "raised" in self.found
        if _is_mixed(word, strange):
            return len(word) > 2 and not self._is_term(word, strange)
        return self._is_whole_disguise(word, strange, sorts)

    def _is_whole_disguise(self, word: str, strange: set[str], sorts: set[str]) -> bool:
        if sorts <= {"phonetic"}:
            return "phonetic" in self.found
        if sorts <= {"formed"}:
            return len(word) > 2
        if not self.pretending or "roman" in sorts:
            return False
        if sorts & _LIVING:
            return strange <= SAME.keys()
        return bool(sorts & self.found) or plain_of(word).lower() in COMMON

    def _is_term(self, word: str, strange: set[str]) -> bool:
        """Whether the letters mean themselves: `TNFα`, `NFκB`, a Russian ending of an acronym."""
        if "cyrillic" in self.genuine and _ACRONYM_WITH_ENDING.fullmatch(word):
            return True
        if len(strange) > 1 or strange <= SAME.keys() or not strange <= _GREEK_SMALL:
            return False
        rest = "".join(c for c in word if c not in strange and c.isalpha())
        inside = word[0] not in strange and word[-1] not in strange
        return len(word) < 4 or rest.isupper() or not inside or strange <= _QUANTITIES


def plain_of(word: str) -> str:
    """The word as it is taken for, accents left away."""
    return "".join(PLAIN.get(c) or ACCENTED.get(c, c) for c in word)


def plain_pieces(word: str) -> list[tuple[str, int]]:
    """The word in Latin letters, each with the place of the letter that it was."""
    return [(plain, i) for i, c in enumerate(word) for plain in PLAIN.get(c, c)]


def _is_style(word: str, strange: set[str]) -> bool:
    """Whether it is a word in nothing but small capitals or raised letters."""
    sorts = _sorts(strange)
    return len(word) > 2 and set(word) == strange and sorts in ({"phonetic"}, {"raised"})


def _strange(word: str) -> set[str]:
    return {c for c in word if c in PLAIN}


@lru_cache(maxsize=4096)
def _is_worth_hiding(word: str) -> bool:
    reading = plain_of(word).lower()
    single = _REPEATED.sub(r"\1", reading)
    return any(stem_of(each) or read(each) for each in (reading, single))


def _is_mixed(word: str, strange: set[str]) -> bool:
    """Whether letters of two scripts are in it; numerals and such count as another one."""
    return bool(_LETTER.search(word)) or len(_sorts(strange) - {"faux"}) > 1


def _sorts(strange: set[str]) -> set[str]:
    """Their sorts or scripts, and `faux` if some are put for Latin letters only in play."""
    return {sort_of(c) for c in strange} | ({"faux"} if strange & FAUX.keys() else set())
