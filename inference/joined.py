"""Words without blanks between them, and words that are shown from right to left."""

from __future__ import annotations

import re
from itertools import accumulate

from inference.disguises import stem_of
from inference.spelling import Pieces
from inference.vocabulary import Vocabulary

TURNED = re.compile("\u202e([^\u202a-\u202e\u2066-\u2069\n]*)[\u202c\u2069]?")
"""What is shown from right to left, whatever its letters."""
_LETTERS = re.compile("[a-z]+")
_RANK, _USUAL = 15_000, 3000
_SENTENCE, _WORDS = 16, 4
"""Letters and words from which on they may be a sentence whatever it says."""


class Joined:
    """Words written as one, one of them worth hiding, or a whole sentence."""

    PATTERN = re.compile(
        r"(?<![\w@/.])[A-Za-z]{10,}(?!\.?[\w@/])|(?<![A-Za-z_@/])[A-Za-z]{14,}(?![A-Za-z_@/])"
    )
    _IN_NAME = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{6,40}(?![A-Za-z])")
    _MOST = 40

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._left = self._MOST

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """The words, with blanks."""
        letters = match[0].lower()
        if self._vocabulary.rank(letters) is not None or self._left == 0:
            return None
        self._left -= 1
        words = self._vocabulary.segment(letters)
        is_name = match[0].istitle() and len(letters) < _SENTENCE
        if is_name or not self._is_told(words, len(letters)):
            return None
        starts = set(accumulate(map(len, words)))
        pieces: Pieces = []
        for place, c in enumerate(match[0]):
            pieces += [(" ", place)] * (place in starts) + [(c, place)]
        return pieces

    def _is_told(self, words: list[str], length: int) -> bool:
        known = [word for word in words if self._vocabulary.is_word(word)]
        if length < _SENTENCE:
            hidden = [word for word in words if stem_of(word)]
            return bool(hidden) and all(word in hidden or self._is_usual(word) for word in words)
        is_long = length >= 2.5 * len(words) and sum(map(len, known)) * 4 >= length * 3
        return is_long and (any(map(stem_of, known)) or self._is_sentence(words))

    def _is_sentence(self, words: list[str]) -> bool:
        """Whether there are several words, most of them usual."""
        return len(words) >= _WORDS and sum(map(self._is_usual, words)) * 5 >= len(words) * 3

    def _is_usual(self, word: str) -> bool:
        rank = self._vocabulary.rank(word) if self._vocabulary.is_word(word) else None
        return rank is not None and rank < _USUAL

    def in_name(self, match: re.Match[str]) -> Pieces | None:
        """A handle or a link with a low line between its words, which a tokenizer tells apart."""
        pieces: Pieces = []
        end = 0
        for run in self._IN_NAME.finditer(match[0]):
            for joint in self._joints(run[0].lower()):
                at = run.start() + joint
                pieces += [(match[0][i], i) for i in range(end, at)]
                pieces.append(("_", at))
                end = at
        return pieces + [(match[0][i], i) for i in range(end, len(match[0]))] if end else None

    def _joints(self, letters: str) -> list[int]:
        """Where words begin within the letters, if they are words and one is worth hiding."""
        if letters in self._vocabulary:
            return []
        words = self._vocabulary.segment(letters)
        if not all(map(self._is_word, words)) or not any(map(stem_of, words)):
            return []
        if min(map(len, words[1:]), default=0) < 2:
            return []
        return list(accumulate(map(len, words)))[:-1]

    def _is_word(self, word: str) -> bool:
        rank = self._vocabulary.rank(word) if self._vocabulary.is_word(word) else None
        return rank is not None and rank < _RANK


class Turned:
    """Words between marks that make them be shown from right to left."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary

    def rewrite(self, match: re.Match[str]) -> Pieces | None:
        """As they are shown, if that makes more words; each letter stands for the whole."""
        shown = match[1][::-1]
        if self._known(shown) <= self._known(match[1]):
            return None
        return [(c, 0) for c in shown]

    def _known(self, text: str) -> int:
        """Letters in known words."""
        words = _LETTERS.findall(text.lower())
        return sum(len(word) for word in words if self._vocabulary.rank(word) is not None)
