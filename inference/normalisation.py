"""Undoes the tricks that hide a word from the model, with a way back to the original characters.

Each pass rewrites what its pattern finds and leaves the rest alone; a text that no pattern
touches comes back as it is. Nothing here decides what is harmful: the lists of stems only say
which reading of a disguised word is plausible.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from inference import emoji, joined, mentions, readings, scripts, slips, spelling
from inference.disguises import (
    ENCLOSING,
    HIDDEN,
    MARKS,
    MATHEMATICAL,
    STYLED,
    USUAL,
    has_symbol,
    is_symbol,
    unstyled,
)
from inference.spelling import Pieces
from inference.vocabulary import Vocabulary


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
_MATHEMATICAL_RUN = re.compile(f"[{MATHEMATICAL}]+")
_MATHEMATICAL_WORD = re.compile(
    f"[{MATHEMATICAL}]{{3}}|[A-Za-z][{MATHEMATICAL}]|[{MATHEMATICAL}][A-Za-z]"
    rf"|[{MATHEMATICAL}](?:[ ._\-]{{1,2}}[{MATHEMATICAL}]){{2}}"
)
_STRANGE_LETTER = re.compile(f"[{scripts.STRANGE}]")
_REGIONAL_RUN = re.compile(f"[{emoji.REGIONAL}]+")
_EMOJI_OF_SEVERAL = re.compile(f"[{emoji.REGIONAL}{emoji.COMPANIONS}]")
_EMOJI_RUN = re.compile(f"([{emoji.EMOJI}])(?:\u200d?\\1)*\u200d?")

_SIGN_OR_DIGIT = re.compile(r"[0-9@$!|+(*#%\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DISGUISING_SIGN = re.compile(
    r"[A-Za-z][0-9@$!|+(*#%]+[A-Za-z]|[0-9@$!|+(*][A-Za-z]|[A-Za-z][$*#@0-9]"
    r"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_REPEATED = re.compile(r"(.)\1\1")
_REPEATED_LETTER = re.compile(r"([a-z])\1\1")
_SINGLE_LETTERS = re.compile(
    r"[ \t\r\n._\-*~|/,][A-Za-z0-9@$!][ \t\r\n._\-*~|/,]{1,5}[A-Za-z0-9@$!](?!\w)"
)
_DASHED = re.compile("[A-Za-z][_-]+[A-Za-z]")
_WIDE = re.compile(
    f"[{HIDDEN}{ENCLOSING}{MARKS}{STYLED}{MATHEMATICAL}{emoji.EMOJI}{emoji.REGIONAL}"
    f"{scripts.STRANGE}€£¢\u200c\u200d]"
)


def normalise(text: str, vocabulary: Vocabulary | None = None) -> Normalised:
    """The text with its disguises undone; with a vocabulary more of them are told."""
    offsets = range(len(text))
    if _is_plain(text) and (vocabulary is None or not _is_doubtful(text, vocabulary)):
        return Normalised(text, tuple(offsets))
    work = _Work(text, list(offsets))
    if mentions.may_hold_placeholder(text):
        work.leave_out_placeholders()
    if not text.isascii():
        work.name_signs()
        if vocabulary is not None and "\u202e" in work.text:
            work.apply(joined.TURNED, joined.Turned(vocabulary).rewrite)
    work.apply(_INVISIBLE, lambda _: [])
    if not work.text.isascii():
        work.apply(_SIGNS, _part)
    if _STRANGE_LETTER.search(work.text):
        work.unmask()
    work.respell(vocabulary)
    work.apply(spelling.LONG_WORD, spelling.split)
    return Normalised(work.text, tuple(work.offsets))


def leave_out(read: Normalised, patterns: Iterable[re.Pattern[str]]) -> Normalised:
    """The text with a blank for each match; what is left keeps its places."""
    work = _Work(read.text, list(read.offsets))
    for pattern in patterns:
        work.apply(pattern, _blank)
    return Normalised(work.text, tuple(work.offsets))


def _is_doubtful(text: str, vocabulary: Vocabulary) -> bool:
    """Whether the vocabulary may read it in another way."""
    return (
        mentions.may_hold_name(text) or _DASHED.search(text) is not None or vocabulary.doubts(text)
    )


def _is_plain(text: str) -> bool:
    """Whether no pass would find anything, told quickly."""
    if mentions.may_hold_placeholder(text):
        return False
    if _SIGN_OR_DIGIT.search(text) and _DISGUISING_SIGN.search(text):
        return False
    if not text.isascii() and (_WIDE.search(text) or has_symbol(text)):
        return False
    return not _is_misspelt(text) and (
        len(text) <= spelling.LONGEST_WORD
        or max(map(len, text.split()), default=0) <= spelling.LONGEST_WORD
    )


def _is_misspelt(text: str) -> bool:
    """Whether letters alone may disguise a word: repeated, single, or one for another."""
    return _is_stretched(text) or _SINGLE_LETTERS.search(text) is not None or _is_misread(text)


def _is_stretched(text: str) -> bool:
    """Whether a letter is repeated; the first pattern is the faster one."""
    lower = text.lower()
    return bool(_REPEATED.search(lower) and _REPEATED_LETTER.search(lower))


def _is_misread(text: str) -> bool:
    """Whether a letter may stand for another."""
    if spelling.CAPITAL_I.search(text):
        return True
    return spelling.V_FOR_U.search(text.lower()) is not None


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

    def leave_out_placeholders(self) -> None:
        """Put a blank for what stands where a link was taken out."""
        self.apply(mentions.BRACKETED, _blank)
        starts = mentions.placeholders(self.text)
        if starts:
            self.apply(mentions.LINK_WORD, lambda m: _blank(m) if m.start() in starts else None)

    def name_signs(self) -> None:
        """Turn styled letters into plain ones and emoji into words."""
        self.apply(_STYLED_RUN, _unstyle)
        if _MATHEMATICAL_WORD.search(self.text):
            self.apply(_MATHEMATICAL_RUN, _unstyle)
        if _EMOJI_OF_SEVERAL.search(self.text):
            self.apply(_REGIONAL_RUN, _spell_flags)
            self.apply(emoji.SEQUENCE, _name_sequence)
            self.apply(emoji.TEASE, emoji.teased)
        self.apply(_EMOJI_RUN, _name_emoji)

    def unmask(self) -> None:
        """Turn letters of other scripts into the Latin ones that they stand for."""
        found = scripts.Scripts(self.text)
        if found.is_native:
            return
        self.apply(scripts.SPELLED, found.spelled)
        self.apply(scripts.WORD, found.unmasked)

    def respell(self, vocabulary: Vocabulary | None) -> None:
        """Spell words as they are spelled elsewhere."""
        if _SINGLE_LETTERS.search(self.text):
            self.apply(spelling.SPACED, partial(spelling.join, vocabulary=vocabulary))
        if _is_misread(self.text):
            self.apply(spelling.MISREAD, spelling.reread)
        if _is_stretched(self.text):
            self.apply(spelling.LETTERS, partial(spelling.shorten, vocabulary=vocabulary))
        if vocabulary is not None:
            self.look_up(vocabulary)
        self.apply(spelling.DISGUISED, spelling.undisguise)

    def look_up(self, vocabulary: Vocabulary) -> None:
        """Read words as those that the vocabulary knows."""
        if mentions.may_hold_name(self.text):
            self.apply(mentions.NAME, joined.Joined(vocabulary).in_name)
        self.apply(joined.Joined.PATTERN, joined.Joined(vocabulary).rewrite)
        if readings.SIGN.search(self.text):
            self.apply(slips.Blanked.PATTERN, slips.Blanked.rewrite)
            for kind in (readings.Digits, readings.Blanks):
                self.apply(kind.PATTERN, kind(self.text, vocabulary).rewrite)
        if vocabulary.doubts(self.text):
            for other in (slips.Torn, readings.Skeletons):
                self.apply(other.PATTERN, other(self.text, vocabulary).rewrite)
            found = slips.Slips(self.text, vocabulary)  # Swaps are slips that count as well.
            swaps = readings.Swaps(self.text, vocabulary)
            self.apply(swaps.PATTERN, swaps.rewrite)
            self.apply(found.PATTERN, found.rewrite)


def _blank(match: re.Match[str]) -> Pieces:
    return [(" ", 0)]


def _unstyle(match: re.Match[str]) -> Pieces:
    return [(plain, i) for i, c in enumerate(match[0]) for plain in unstyled(c)]


def _spell_flags(match: re.Match[str]) -> Pieces | None:
    letters = emoji.spelled_flags(match[0])
    return None if letters is None else [(c, i) for i, c in enumerate(letters)]


def _part(match: re.Match[str]) -> Pieces | None:
    """Symbols inside of words, and rare ones beside them, as blanks: the words then stand alone."""
    start, end = match.span()
    before, after = match.string[start - 1 : start], match.string[end : end + 1]
    usual = "" if before.isalpha() and after.isalpha() else USUAL
    pieces = [(" " if is_symbol(c) and c not in usual else c, i) for i, c in enumerate(match[0])]
    return pieces if any(c == " " for c, _ in pieces) else None


def _name_sequence(match: re.Match[str]) -> Pieces:
    return [(c, 0) for c in f" {emoji.SEQUENCES[match[0]]} "]


def _name_emoji(match: re.Match[str]) -> Pieces:
    return [(c, 0) for c in f" {emoji.emoji_word(match[1])} "]
