"""Words with a letter too many, too few or beside the right one, with a blank or dashes in them."""

from __future__ import annotations

import re

from inference.disguises import COMMON, ENDINGS, STEMS, stem_of
from inference.spelling import Pieces
from inference.vocabulary import Vocabulary

_COMMON = frozenset(COMMON)
_VOWEL = re.compile("[aeiouy]")
_STYLE = 3
_MOST = 200
"""Different unknown words of a text that are looked at: each costs some."""
_LEAST = {-1: 5, 0: 8, 1: 6}
"""Letters of a word worth hiding that one more, another or one less hides."""


class Slips:
    """Words that are one slip away from others, where the text is full of them or one is known."""

    PATTERN = re.compile(r"(?<![\w@#./'’*-])[a-z]{3,14}(?![\w@/*'’]|-\w)")

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._found: dict[str, str] = {}
        words = {match[0] for match in self.PATTERN.finditer(text)}
        strange = sorted(word for word in words if vocabulary.rank(word) is None)[:_MOST]
        known = sum(len(word) > 3 for word in words) - sum(len(word) > 3 for word in strange)
        for word in strange:
            found = vocabulary.near(word)
            if found is not None and (len(word) > 3 or (_VOWEL.search(word) and len(found) > 3)):
                self._found[word] = found
        near = sum(len(word) > 3 for word in self._found)
        rest = len(strange) - len(self._found)
        is_style = near >= max(_STYLE, rest, known)
        if not (is_style and _is_english(text)):
            self._found = {word: f for word, f in self._found.items() if _is_hidden(word, f)}

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """The word that is meant."""
        found = self._found.get(match[0])
        return None if found is None else fitted(found, len(match[0]))


def _is_english(text: str) -> bool:
    """Whether enough short words say so."""
    words = text.lower().split()
    common = sum(word in _COMMON for word in words)
    return common > 1 and 5 * common >= len(words)


def _is_hidden(word: str, found: str) -> bool:
    """Whether a word worth hiding is so long that no other is meant."""
    return len(found) >= _LEAST[len(found) - len(word)] and stem_of(found) is not None


def fitted(word: str, length: int) -> Pieces:
    """A word in the place of another of this length."""
    return [(c, min(i, length - 1)) for i, c in enumerate(word)]


class Torn:
    """Words with a blank in them."""

    PATTERN = re.compile(r"(?<![\w@#./'’-])[A-Za-z]{1,12}(?: [A-Za-z]{1,12})+(?![\w@/'’]|-\w)")
    _ENDS = frozenset({"d", "ll", "m", "re", "s", "t", "ve"})
    _RARE = 8000

    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._is_style = True
        runs = [match[0].split(" ") for match in self.PATTERN.finditer(text)]
        words = sum(map(len, runs))
        found = sum(len(self._pairs(run)) for run in runs)
        self._is_style = found >= _STYLE and 4 * found >= words

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """The words whole."""
        words = match[0].split(" ")
        pairs = self._pairs(words)
        if not pairs:
            return None
        pieces: Pieces = []
        place = 0
        for at, word in enumerate(words):
            pieces += [(c, place + i) for i, c in enumerate(word)]
            place += len(word)
            if at + 1 < len(words) and at not in pairs:
                pieces.append((" ", place))
            place += 1
        return pieces

    def _pairs(self, words: list[str]) -> set[int]:
        """Where a word and the one behind it are the parts of one."""
        found: set[int] = set()
        at = 0
        while at + 1 < len(words):
            if self._is_torn(words[at], words[at + 1]):
                found.add(at)
                at += 1
            at += 1
        return found

    def _is_torn(self, first: str, second: str) -> bool:
        if second in self._ENDS or not (second.islower() or first.isupper()):
            return False
        first, second = first.lower(), second.lower()
        whole = first + second
        if len(whole) < 4 or (self._is_usual(first) and self._is_usual(second)):
            return False
        if self._is_style:
            return self._vocabulary.rank(whole) is not None
        return stem_of(whole) is not None and first not in _COMMON

    def _is_usual(self, word: str) -> bool:
        rank = self._vocabulary.rank(word) if self._vocabulary.is_word(word) else None
        return rank is not None and rank < self._RARE


class Blanked:
    """Words worth hiding of which only the ends stand: `s--t`."""

    PATTERN = re.compile(r"(?<![\w*#-])[A-Za-z]([*#-])\1{1,9}[A-Za-z](?![\w*#-])")

    @staticmethod
    def rewrite(match: re.Match[str]) -> Pieces | None:
        """The only one that fits, or the one that is meant most often."""
        word = match[0].lower()
        found = _BY_ENDS.get((word[0], word[-1], len(word)))
        return None if found is None else fitted(found, len(word))


def _by_ends() -> dict[tuple[str, str, int], str]:
    found: dict[tuple[str, str, int], str] = {}
    first = ("fuck", "shit", "bitch", "cunt", "whore", "nigger", "asshole", "faggot", "retard")
    for ending in ENDINGS[:2] + ENDINGS[4:]:
        for stem in dict.fromkeys((*first, *STEMS)):
            word = stem + ending
            if len(word) > 3:
                found.setdefault((word[0], word[-1], len(word)), word)
    for word in first:
        found.setdefault((word[0], word[-1], len(word) + 1), word)
    return found


_BY_ENDS = _by_ends()
