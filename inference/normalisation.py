"""Undoes the tricks that hide a word from the model, with a way back to the original characters.

Each pass rewrites what its pattern finds and leaves the rest alone; a text that no pattern
touches comes back as it is. Nothing here decides what is harmful: the lists of stems only say
which reading of a disguised word is plausible.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from inference.disguises import (
    EMOJI,
    ENCLOSING,
    HIDDEN,
    LOOK_ALIKES,
    MARKS,
    PLAIN_LEET,
    STYLED,
    TECHNICAL,
    USUAL,
    emoji_word,
    has_symbol,
    is_symbol,
    read,
    segment,
    stem_of,
    unstyled,
)

Pieces = list[tuple[str, int]]
"""New characters, each with its place in what was matched."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text as the model reads it; `offsets[i]` is where character `i` stood in the original."""

    text: str
    offsets: tuple[int, ...]


_INVISIBLE = re.compile(
    f"[{HIDDEN}{ENCLOSING}]+|(?<=[A-Za-z])[\u200c\u200d]+"
    "|(?<![\u200c\u200d])[\u200c\u200d]+(?=[A-Za-z])"
    f"|(?<=[A-Za-z])[{MARKS}]{{2,}}"
)
_SIGNS = re.compile(r"[^\w\s\x00-\x7f]+")
_STYLED_RUN = re.compile(f"[{STYLED}]+")
_EMOJI_RUN = re.compile(f"([{EMOJI}])(?:\u200d?\\1)*\u200d?")

_ALIKE = "".join(LOOK_ALIKES)
_WORD_WITH_ALIKES = re.compile(f"[a-zA-Z0-9@$!{_ALIKE}]+")
_ALIKE_LETTER = re.compile(f"[{_ALIKE}]")
_FOREIGN = re.compile("[\u0370-\u03ff\u0400-\u052f\u0531-\u058f]")
_LATIN = re.compile("[A-Za-z]")

_ADDRESS = re.compile(
    r"://|www\.|\w@\w+\.\w|\.(?:com|org|net|io|gov|edu|html?|php|py|js|exe)\b", re.I
)
_DISGUISED = re.compile(r"(?<!\S)(?=\S*[0-9@$!|+(€£*#%])(?=\S*[A-Za-z])\S{2,24}(?!\S)")
_DIGIT_INSIDE = re.compile(r"[A-Za-z]{1,}(?:([013457])\1?[a-z]+)+")
_CLUSTER = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|^[^aeiouy]+$", re.I)

_SPACED = re.compile(
    r"(?<![\w'’])[A-Za-z0-9@$!](?:[ \t]{1,2}[A-Za-z0-9@$!]){2,}(?![\w'’])"
    r"|(?<![\w'’])[A-Za-z@$](?:([._\-*~|/,])\1?[A-Za-z0-9@$!]){2,}(?!\w)"
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_LETTERS = re.compile(r"[A-Za-z]{3,}")
_RUN = re.compile(r"([A-Za-z])\1{2,}", re.I)

LONGEST_WORD = 90
"""A tokenizer takes a word of more than 100 characters for one unknown token."""
_PIECE = 45
_LONG_WORD = re.compile(rf"(?<![\w{MARKS}])[\w{MARKS}]{{{LONGEST_WORD + 1},}}")

_TOUCHED = re.compile(
    r"([A-Za-z])\1\1|[A-Za-z][0-9@$!|+(*#%]+[A-Za-z]|[0-9@$!|+(*][A-Za-z]|[A-Za-z][$*#@0-9]"
    r"|\b[A-Za-z@$]([ \t._\-*~|/,])\2?[A-Za-z0-9@$!]\2|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    re.I,
)
_TOUCHED_WIDE = re.compile(
    f"[{HIDDEN}{ENCLOSING}{STYLED}{EMOJI}{_ALIKE}€£\u200c\u200d]|[A-Za-z][{MARKS}]{{2}}"
)


def normalise(text: str) -> Normalised:
    """The text with its disguises undone."""
    offsets = range(len(text))
    if _is_plain(text):
        return Normalised(text, tuple(offsets))
    work = _Work(text, list(offsets))
    if not text.isascii():
        work.apply(_STYLED_RUN, _unstyle)
        work.apply(_EMOJI_RUN, _name_emoji)
    work.apply(_INVISIBLE, lambda _: [])
    if not work.text.isascii():
        work.apply(_SIGNS, _part)
        work.unmask_scripts()
    work.apply(_SPACED, _join)
    work.apply(_LETTERS, _shorten)
    work.apply(_DISGUISED, _undisguise)
    work.apply(_LONG_WORD, _split)
    return Normalised(work.text, tuple(work.offsets))


def _is_plain(text: str) -> bool:
    """Whether no pass would find anything, told quickly."""
    if _TOUCHED.search(text):
        return False
    if not text.isascii() and (_TOUCHED_WIDE.search(text) or has_symbol(text)):
        return False
    return len(text) <= LONGEST_WORD or not _LONG_WORD.search(text)


class _Work:
    """A text on its way through the passes."""

    def __init__(self, text: str, offsets: list[int]) -> None:
        self.text = text
        self.offsets = offsets

    def apply(
        self, pattern: re.Pattern[str], rewrite: Callable[[re.Match[str]], Pieces | None]
    ) -> None:
        """Rewrite each match for which the pass has an answer."""
        characters: list[str] = []
        offsets: list[int] = []
        end = 0
        for match in pattern.finditer(self.text):
            pieces = rewrite(match)
            if pieces is None:
                continue
            start = match.start()
            characters.append(self.text[end:start])
            offsets += self.offsets[end:start]
            characters += [character for character, _ in pieces]
            offsets += [self.offsets[start + place] for _, place in pieces]
            end = match.end()
        if end:
            characters.append(self.text[end:])
            self.text = "".join(characters)
            self.offsets = offsets + self.offsets[end:]

    def unmask_scripts(self) -> None:
        """Turn look-alikes of other scripts into the Latin letters that they stand for."""
        foreign = _FOREIGN.findall(self.text)
        latin = len(_LATIN.findall(self.text))
        rest = [letter for letter in foreign if letter not in LOOK_ALIKES]
        pretending = not rest and latin >= len(foreign) and latin > 2

        def unmask(match: re.Match[str]) -> Pieces | None:
            word = match[0]
            start, end = match.span()
            around = self.text[max(0, start - 1) : start] + self.text[end : end + 1]
            if not _ALIKE_LETTER.search(word) or _FOREIGN.search(around):
                return None
            mixed = len(word) > 2 and _LATIN.search(word) is not None
            if not mixed and not pretending:
                return None
            return [(LOOK_ALIKES.get(c, c), i) for i, c in enumerate(word)]

        self.apply(_WORD_WITH_ALIKES, unmask)


def _unstyle(match: re.Match[str]) -> Pieces:
    return [(plain, i) for i, c in enumerate(match[0]) for plain in unstyled(c)]


def _part(match: re.Match[str]) -> Pieces | None:
    """Symbols inside of words, and rare ones beside them, as blanks: the words then stand alone."""
    start, end = match.span()
    before, after = match.string[start - 1 : start], match.string[end : end + 1]
    usual = "" if before.isalpha() and after.isalpha() else USUAL
    pieces = [(" " if is_symbol(c) and c not in usual else c, i) for i, c in enumerate(match[0])]
    return pieces if any(c == " " for c, _ in pieces) else None


def _name_emoji(match: re.Match[str]) -> Pieces:
    return [(c, 0) for c in f" {emoji_word(match[1])} "]


def _join(match: re.Match[str]) -> Pieces | None:
    """Spaced or punctuated single letters as the words that they spell."""
    letters = [(c, i) for i, c in enumerate(match[0]) if c.isalnum() or c in "@$!"]
    spelled = "".join(c for c, _ in letters)
    lower = "".join(
        PLAIN_LEET.get(c, {"@": "a", "$": "s", "!": "i"}.get(c, c)) for c in spelled.lower()
    )
    words = segment(lower)
    if words is None and not _is_word_like(spelled):
        return None
    pieces: Pieces = []
    at = 0
    for word in words or [lower]:
        if pieces:
            pieces.append((" ", letters[at][1] - 1))
        pieces += [(c, letters[at + i][1]) for i, c in enumerate(word)]
        at += len(word)
    return pieces


def _is_word_like(spelled: str) -> bool:
    return (
        len(spelled) > 4
        and spelled.isalpha()
        and spelled.islower()
        and spelled not in _ALPHABET
        and not _CLUSTER.search(spelled)
    )


def _shorten(match: re.Match[str]) -> Pieces | None:
    """A word without its long repeats; `www`, `III` and the like stay."""
    word = match[0]
    if not _RUN.search(word):
        return None
    if len(set(word.lower())) < 2 or (
        word.isupper() and len(word) < 6 and set(word) <= set("IVXLCM")
    ):
        return None
    pieces: Pieces = []
    end = 0
    for run in _RUN.finditer(word):
        pieces += [(word[i], i) for i in range(end, run.start())]
        keep = _kept(word, run)
        pieces += [(word[i], i) for i in range(run.start(), run.start() + keep)]
        end = run.end()
    return pieces + [(word[i], i) for i in range(end, len(word))]


def _kept(word: str, run: re.Match[str]) -> int:
    letter = run[1].lower()
    single = (word[: run.start()] + letter + word[run.end() :]).lower()
    if stem_of(single):
        return 1
    if letter in "ls" or (letter in "eo" and run.end() < len(word)):
        return 2
    return 1


def _split(match: re.Match[str]) -> Pieces:
    """An endless word in pieces that a tokenizer can read."""
    pieces: Pieces = []
    for place, character in enumerate(match[0]):
        if place and place % _PIECE == 0:
            pieces.append((" ", place))
        pieces.append((character, place))
    return pieces


def _undisguise(match: re.Match[str]) -> Pieces | None:
    """A word with digits, symbols or blanks for letters as the word that it stands for."""
    word = match[0]
    if _ADDRESS.search(word):
        return None
    core = word.rstrip(".,;:!?)\"'")
    for candidate in dict.fromkeys((word, core)):
        found = read(candidate.lower())
        if found:
            end = len(candidate)
            return [(c, min(i, end - 1)) for i, c in enumerate(found)] + [
                (c, end + i) for i, c in enumerate(word[end:])
            ]
    if _DIGIT_INSIDE.fullmatch(core) and core.lower() not in TECHNICAL and _plausible(core):
        return [(PLAIN_LEET.get(c, c), i) for i, c in enumerate(core)] + [
            (c, len(core) + i) for i, c in enumerate(word[len(core) :])
        ]
    return None


def _plausible(word: str) -> bool:
    letters = sum(c.isalpha() for c in word)
    plain = "".join(PLAIN_LEET.get(c, c) for c in word)
    return (
        len(word) > 3
        and letters * 2 > len(word)
        and not word.isupper()
        and not _CLUSTER.search(plain)
    )
