"""Words that are known once their disguise is undone: digits and asterisks for letters, swaps.

Each class reads one text as a whole, since a trick that is played on several of its words is
surer than one that is played on one; `rewrite` answers as the functions in `spelling.py` do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from inference.disguises import LEET, STEMS, TECHNICAL, TECHNICAL_START, stem_of
from inference.spelling import ADDRESS, Pieces
from inference.vocabulary import Vocabulary

_SIGNS = {**LEET, "6": "g"}
_AMBIGUOUS = 4
_STYLE = 3
"""Words read in one way from which on it is how the text is written."""
_NEAR = 40
_GUESSES = 40
"""Words of a text at most that are taken apart: each costs much."""
_SHORT_FORMS = """
bc brb brr bros btw cpl css dm dms dnd dr ffs fml ft fwd fyi gl grr gtg html http https hmm hrs idk
jk js kg km lb lbs lmk ltd lvl mfg mgr mins mm mr mrs ms msg msgs mvp nth ngl nvm ofc omg pff pfft
omw pkg pkgs pls plz png psst pvp rhythm rly rn rsvp rt sc shh smh sms src tss svc svn sync tbh thnx
thx tho tks tldr tmrw tsk ttyl ttys txt vs wtf wtg wth xml yr yrs
"""

_UNIT = re.compile(
    r"\d+(?:[a-z]|st|nd|rd|th|am|pm|ft|in|mg|kg|ml|lb|oz|hz|km|cm|mm|gb|mb|tb|kb|px|hr|yr|yo|"
    r"min|mins|sec|secs|hrs|lbs|bit|bits|mph|kph|fps|ghz|mhz|kwh|mah|year|"
    r"years|yrs|day|days|week|weeks|hour|hours|man|men|way|door|star|part|pack|ever|each|all)"
)
_NUMERONYM = re.compile(r"[a-z](?!00[a-z]|33[a-z])\d+[a-z]")
_LABELLED = re.compile(r"([a-z]+)\d+")
_COUNTED = re.compile(r"\d([a-z]+)")
_CASED = re.compile(r"[^A-Za-z]*[A-Za-z]?[^A-Z]*|[^a-z]*")


SIGN = re.compile(r"[0-9@$!|+*#]\w|\w[0-9*#]|[A-Za-z][_-]+[A-Za-z]")
"""Without one there is neither a digit nor an asterisk or the like for a letter."""


class Digits:
    """Words with digits and signs for letters."""

    PATTERN = re.compile(r"(?<![\w@$!|+*#%&=.])[A-Za-z0-9@$!|+]{4,24}(?!\w)")

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._is_style = False
        self._guesses = 0
        self._found = self._read_all(text)
        if self._found:
            surely, self._is_style = self._found, True
            self._found = self._read_all(text)
            if sum(map(self._is_known, self._found.values())) < _STYLE:
                self._found = surely

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """The word that it stands for."""
        found = self._found.get(match.start())
        return None if found is None else _placed(found)

    def _read_all(self, text: str) -> dict[int, str]:
        """The words that are read as others, by their places."""
        found = ((match.start(), self._read(match)) for match in self.PATTERN.finditer(text))
        return {start: word for start, word in found if word is not None}

    def _read(self, match: re.Match[str]) -> str | None:
        word = match[0]
        if word.isalpha() or word.isdigit() or _is_code(match):
            return None
        body = word.rstrip("!|+")
        found = self._reading(body)
        return None if found is None else found + word[len(body) :]

    def _reading(self, body: str) -> str | None:
        letters = sum(c.isalpha() for c in body)
        if body.isalpha() or letters < (1 if self._is_style else 2) or len(body) < 4:
            return None
        lower = body.lower()
        if self._is_meant(body, lower):
            return None
        choices = [_SIGNS.get(c, c) if not c.isalpha() else c for c in lower]
        if sum(len(each) > 1 for each in choices) > _AMBIGUOUS:
            return None
        readings = {"".join(letters) for letters in product(*choices)}
        words = {word for word in readings if word.isalpha()}
        return self._vocabulary.best(words) or self._guess(words)

    def _guess(self, words: set[str]) -> str | None:
        """Two known words in one or, where all is written so, the most word-like."""
        self._guesses += 1
        if self._guesses > _GUESSES:
            return None
        likely = min(sorted(words), key=self._vocabulary.cost, default=None)
        if likely is None or self._is_style or self._is_compound(likely):
            return likely
        return None

    def _is_compound(self, word: str) -> bool:
        parts = self._vocabulary.segment(word)
        return len(parts) == 2 and all(
            len(part) > 3 and self._vocabulary.is_word(part) for part in parts
        )

    def _is_known(self, word: str) -> bool:
        return self._vocabulary.rank(word.rstrip("!|+")) is not None

    def _is_meant(self, body: str, lower: str) -> bool:
        """Whether it is a number with its unit, a code or a name."""
        if lower in TECHNICAL or TECHNICAL_START.match(lower) or _UNIT.fullmatch(lower):
            return True
        if self._is_style:
            return False
        counted, labelled = _COUNTED.fullmatch(lower), _LABELLED.fullmatch(lower)
        return (
            body.isupper()
            or _NUMERONYM.fullmatch(lower) is not None
            or (counted is not None and self._vocabulary.rank(counted[1]) is not None)
            or (labelled is not None and self._vocabulary.rank(labelled[1]) is not None)
        )


def _is_code(match: re.Match[str]) -> bool:
    """Whether it stands in an address, a path or a serial number."""
    before = match.string[max(0, match.start() - _NEAR) : match.start()].split()
    after = match.string[match.end() : match.end() + _NEAR].split()
    start = before[-1] if before and not match.string[match.start() - 1].isspace() else ""
    is_joined = after and not match.string[match.end()].isspace()
    chunk = start + match[0] + (after[0] if is_joined else "")
    return (
        ADDRESS.search(chunk) is not None
        or chunk.count("-") > 2
        or any(mark in chunk for mark in "/\\=_{}<>")
        or _CASED.fullmatch(match[0]) is None
    )


class Blanks:
    """Words with an asterisk or the like for a letter."""

    PATTERN = re.compile(
        r"(?<![\w*#-])(?=[A-Za-z*#_-]{4,24}(?![\w-]))[A-Za-z]+[*#_-][A-Za-z]+(?![\w*#-])"
    )
    _SIGN = re.compile("[*#_-]")

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._is_style = True
        found = sum(self._read(match) is not None for match in self.PATTERN.finditer(text))
        self._is_style = found >= _STYLE

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """The one word that fits, or the one that is much more frequent than the others."""
        found = self._read(match)
        return None if found is None else _placed(found)

    def _read(self, match: re.Match[str]) -> str | None:
        word = match[0].lower()
        parts = self._SIGN.split(word)
        is_joint = "-" in word or "_" in word
        if is_joint and all(map(self._vocabulary.is_word, parts)):
            return None
        readings = [c.join(parts) for c in "abcdefghijklmnopqrstuvwxyz"]
        found = self._vocabulary.best(readings, 1 if self._is_style else 2)
        if found is None or (is_joint and not self._is_style and stem_of(found) is None):
            return None
        return found


class Swaps:
    """Words with two letters in each other's place, or a letter once too often or too seldom."""

    PATTERN = re.compile(r"(?<![\w@#./'’])[A-Za-z][a-z]{3,13}(?![\w@/])")
    _USUAL = 2000

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        words = [match[0] for match in self.PATTERN.finditer(text) if match[0].islower()]
        strange = [word for word in words if vocabulary.rank(word) is None]
        found = sum(vocabulary.unswapped(word) is not None for word in strange)
        known, rest = len(words) - len(strange), len(strange) - found
        self._is_sure = found >= rest or known >= 2 * rest
        self._is_style = found >= max(_STYLE, rest, known // 4)

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """The frequent word that it is one slip away from."""
        word = match[0]
        found = self._vocabulary.unswapped(word.lower()) if self._is_sure else None
        if found is None:
            return None
        is_frequent = self._is_style or self._vocabulary.is_frequent(found)
        if not is_frequent or (word[0].isupper() and not self._is_safe(match, found)):
            return None
        return [(c, min(i, len(word) - 1)) for i, c in enumerate(word[0] + found[1:])]

    def _is_safe(self, match: re.Match[str], found: str) -> bool:
        """Whether a capital letter is not that of a name."""
        rank = self._vocabulary.rank(found)
        return self._is_style or (_begins(match) and rank is not None and rank < self._USUAL)


class Skeletons:
    """Words without vowels."""

    PATTERN = re.compile(r"(?<![\w@#./'’])[A-Za-z][bcdfghj-np-tv-z]{1,11}(?![\w@/])")
    _FULL = re.compile(r"(?<!\w)[A-Za-z]+[aeiou][A-Za-z]+(?!\w)")

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._is_style = False
        words = [m[0] for m in self._candidates(text) if self._read(m)]
        full = sum(len(word) > 3 for word in self._FULL.findall(text)) if len(words) > 1 else 0
        self._is_style = len(words) > 1 and len(words) >= full

    def _candidates(self, text: str) -> Iterator[re.Match[str]]:
        return (m for m in self.PATTERN.finditer(text) if len(m[0]) > 2 and m[0].islower())

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """The word with its vowels, each at the place of the letter before it."""
        found = self._read(match)
        if found is None or not (self._is_style or self._is_sure(match[0].lower(), found)):
            return None
        pieces: Pieces = []
        place = 0
        for c in found:
            if pieces and place + 1 < len(match[0]) and c == match[0][place + 1].lower():
                place += 1
            pieces.append((c, place))
        return pieces

    def _read(self, match: re.Match[str]) -> str | None:
        word = match[0].lower()
        if match[0].isupper() or word in self._vocabulary or word in _ABBREVIATIONS:
            return None
        if _SOUND.search(word):
            return None
        return self._vocabulary.skeletons.get(word)

    @staticmethod
    def _is_sure(word: str, found: str) -> bool:
        return len(word) > 3 and found in _STEMS


_STEMS = frozenset(STEMS)
_SOUND = re.compile(r"(.)\1\1")
_ABBREVIATIONS = frozenset(_SHORT_FORMS.split())


def _begins(match: re.Match[str]) -> bool:
    """Whether a sentence begins here."""
    before = match.string[: match.start()].rstrip(" \"'“‘(")
    return not before or before[-1] in ".!?\n"


def _placed(word: str) -> Pieces:
    return [(c, i) for i, c in enumerate(word)]
