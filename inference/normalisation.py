"""Undoes the tricks that hide a word from the model, with a way back to the original characters.

Each pass rewrites what its pattern finds and leaves the rest alone; a text that no pattern
touches comes back as it is. Nothing here decides what is harmful: the lists of stems only say
which reading of a disguised word is plausible.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

Pieces = list[tuple[str, int]]
"""New characters, each with its place in what was matched."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text as the model reads it; `offsets[i]` is where character `i` stood in the original."""

    text: str
    offsets: tuple[int, ...]


_HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff"
)
_STYLED = (
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\u24b6-\u24e9\U0001d400-\U0001d7ff\U0001f130-\U0001f189"
)
_EMOJI = "\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001f3fa\U0001f400-\U0001f64f\U0001f680-\U0001faff"
_INVISIBLE = re.compile(
    f"[{_HIDDEN}]+|(?<=[A-Za-z])[\u200c\u200d]+|[\u200c\u200d]+(?=[A-Za-z])"
    "|(?<=[A-Za-z])[\u0300-\u036f]{2,}"
)
_STYLED_RUN = re.compile(f"[{_STYLED}]+")
_EMOJI_RUN = re.compile(f"([{_EMOJI}])(?:\u200d?\\1)*\u200d?")

_LOOK_ALIKES = dict(
    zip(
        "аеорсухіјѕһԁԛԝѵкмтнвгпёїАВЕКМНОРСТХУІЈЅԌԜЁЇ"
        "αειοκνρτυχηωγσΑΒΕΖΗΙΚΜΝΟΡΤΥΧ"
        "օսհոցզıɑɡᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
        "aeopcyxijshdqwvkmthbrneiABEKMHOPCTXYIJSGWEI"
        "aeiokvptuxnwyoABEZHIKMNOPTYX"
        "ouhngqiagabcdefghijklmnoprstuvwyz",
        strict=True,
    )
)
_ALIKE = "".join(_LOOK_ALIKES)
_MIXED_WORD = re.compile(f"(?:[a-zA-Z0-9@$!]*[{_ALIKE}][a-zA-Z0-9@$!]*)+")
_FOREIGN = re.compile("[\u0370-\u03ff\u0400-\u052f\u0531-\u058f]")
_LATIN = re.compile("[A-Za-z]")

_STEMS = (
    "anal anus arse ass asshole bastard bitch blowjob bollock bomb boob bullshit chink clit cock "
    "cocaine coon crap cum cunt damn dick dickhead dildo die dumb dumbass dyke fag faggot fat "
    "fuck fucker fucking gay gook gun hate hell heroin hitler hoe horny idiot jackass jerk jew jizz "
    "kike kill killing kys loser meth milf moron motherfucker murder muslim naked nazi nigga nigger "
    "nude orgasm paki penis piss porn prick pussy queer rape rapist retard scum sex sexy shit shoot "
    "skank slave slut spic stab stupid suck sucker suicide tits titties tranny trash twat ugly vagina "
    "viagra wank wanker weed wetback whore worthless yourself"
).split()
_COMMON = (
    "a all and are be can do drop for from get go have he her him his hope i in is it just me my "
    "need no not of off on or she should so that the their them they this to u up ur want we what "
    "will with you your"
).split()
_KNOWN = frozenset(_STEMS) | frozenset(_COMMON)
_ENDINGS = ("", "s", "es", "ed", "er", "ers", "ing", "in", "y", "head", "heads", "ty", "hole", "t")
_STEM_SET = frozenset(_STEMS)

_LEET = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a",
    "$": "s", "!": "il", "|": "il", "+": "t", "(": "c", "€": "e", "£": "l", "ß": "b", "v": "u",
}  # fmt: skip
_PLAIN_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t"}
_BLANKS = frozenset("*#%")
_ADDRESS = re.compile(
    r"://|www\.|\w@\w+\.\w|\.(?:com|org|net|io|gov|edu|html?|php|py|js|exe)\b", re.I
)
_DISGUISED = re.compile(r"(?<!\S)(?=\S*[0-9@$!|+(€£*#%])(?=\S*[A-Za-z])\S{2,24}(?!\S)")
_TECHNICAL = frozenset("log4j neo4j web3 c3po l4d2 mp3s mp4s ps4s s3cmd h1n1 h5n1 w3c e3s".split())
_DIGIT_INSIDE = re.compile(r"[A-Za-z]{1,}(?:([013457])\1?[a-z]+)+")
_CLUSTER = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|^[^aeiouy]+$", re.I)

_SPACED = re.compile(
    r"(?<![\w'’])[A-Za-z0-9@$!](?:[ \t]{1,2}[A-Za-z0-9@$!]){2,}(?![\w'’])"
    r"|(?<![\w'’])[A-Za-z@$](?:([._\-*~|/,])\1?[A-Za-z0-9@$!]){2,}(?!\w)"
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_LONG_RUN = re.compile(r"[A-Za-z]*([A-Za-z])\1\1[A-Za-z]*", re.I)
_RUN = re.compile(r"([A-Za-z])\1{2,}", re.I)

_TOUCHED = re.compile(
    r"([A-Za-z])\1\1|[A-Za-z][0-9@$!|+(*#%]+[A-Za-z]|[0-9@$!|+(*][A-Za-z]|[A-Za-z][$*#@0-9]"
    r"|\b[A-Za-z@$]([ \t._\-*~|/,])\2?[A-Za-z0-9@$!]\2|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]",
    re.I,
)
_TOUCHED_WIDE = re.compile(
    f"[{_HIDDEN}{_STYLED}{_EMOJI}{_ALIKE}€£\u200c\u200d]|[A-Za-z][\u0300-\u036f]{{2}}"
)


def normalise(text: str) -> Normalised:
    """The text with its disguises undone."""
    offsets = range(len(text))
    if not _TOUCHED.search(text) and (text.isascii() or not _TOUCHED_WIDE.search(text)):
        return Normalised(text, tuple(offsets))
    work = _Work(text, list(offsets))
    if not text.isascii():
        work.apply(_STYLED_RUN, _unstyle)
        work.apply(_EMOJI_RUN, _name_emoji)
    work.apply(_INVISIBLE, lambda _: [])
    if not work.text.isascii():
        work.unmask_scripts()
    work.apply(_SPACED, _join)
    work.apply(_LONG_RUN, _shorten)
    work.apply(_DISGUISED, _undisguise)
    return Normalised(work.text, tuple(work.offsets))


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
        rest = [c for c in _FOREIGN.findall(self.text) if c not in _LOOK_ALIKES]
        latin = len(_LATIN.findall(self.text))
        pretending = not rest and latin >= len(_FOREIGN.findall(self.text)) and latin > 2

        def unmask(match: re.Match[str]) -> Pieces | None:
            word = match[0]
            neighbours = self.text[max(0, match.start() - 1)] + self.text[match.end() - 1 :][1:2]
            if match.start() and _FOREIGN.match(neighbours) or _FOREIGN.search(neighbours[1:]):
                return None
            mixed = len(word) > 2 and _LATIN.search(word) is not None
            if not mixed and not pretending:
                return None
            return [(_LOOK_ALIKES.get(c, c), i) for i, c in enumerate(word)]

        self.apply(_MIXED_WORD, unmask)


def _unstyle(match: re.Match[str]) -> Pieces:
    return [(plain, i) for i, c in enumerate(match[0]) for plain in _unstyled(c)]


@lru_cache(maxsize=2048)
def _unstyled(character: str) -> str:
    code = ord(character)
    if 0x1F150 <= code <= 0x1F169:
        return chr(code - 0x1F150 + 65)
    if 0x1F170 <= code <= 0x1F189:
        return chr(code - 0x1F170 + 65)
    plain = unicodedata.normalize("NFKC", character)
    return plain.strip("()") or plain


_EMOJI_WORDS = {
    "😂": "laughing", "🤣": "laughing", "😍": "love", "❤": "love", "💕": "love", "🥰": "love",
    "😭": "crying", "😊": "happy", "😁": "happy", "😀": "happy", "😃": "happy", "🙂": "smile",
    "😘": "kiss", "😢": "sad", "😔": "sad", "😡": "angry", "😠": "angry", "🤬": "swearing angry",
    "🖕": "fuck you", "🔪": "knife", "💀": "skull", "🙏": "please", "👍": "good", "👎": "bad",
    "🔥": "fire", "🎉": "celebrate", "💩": "shit", "🤮": "vomit disgusting", "🤢": "disgusting",
    "😎": "cool", "🙄": "annoyed", "😉": "wink", "😩": "weary", "😅": "relieved", "✨": "sparkles",
    "☹": "sad", "☺": "happy", "😒": "annoyed", "🥳": "celebrate", "😴": "sleepy", "🤡": "clown",
}  # fmt: skip


def _name_emoji(match: re.Match[str]) -> Pieces:
    return [(c, 0) for c in f" {_emoji_word(match[1])} "]


@lru_cache(maxsize=4096)
def _emoji_word(character: str) -> str:
    known = _EMOJI_WORDS.get(character)
    if known is not None:
        return known
    words = unicodedata.name(character, "symbol").lower().split()
    return (
        " ".join(w for w in words if w not in {"face", "with", "sign", "symbol", "black"}) or "face"
    )


def _join(match: re.Match[str]) -> Pieces | None:
    """Spaced or punctuated single letters as the words that they spell."""
    letters = [(c, i) for i, c in enumerate(match[0]) if c.isalnum() or c in "@$!"]
    spelled = "".join(c for c, _ in letters)
    lower = "".join(
        _PLAIN_LEET.get(c, {"@": "a", "$": "s", "!": "i"}.get(c, c)) for c in spelled.lower()
    )
    words = _segment(lower)
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


@lru_cache(maxsize=2048)
def _segment(letters: str) -> list[str] | None:
    """The letters as known words, at least one of them a stem; the longest words first."""
    best: list[list[str] | None] = [[]] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - 14), end):
            before, word = best[start], letters[start:end]
            if before is None or not (word in _KNOWN or _stem_of(word)):
                continue
            found = best[end]
            if found is None or len(before) + 1 < len(found):
                best[end] = [*before, word]
    words = best[-1]
    if words and any(_stem_of(word) for word in words):
        return words
    return None


def _stem_of(word: str) -> str | None:
    for ending in _ENDINGS:
        if word.endswith(ending):
            stem = word[: len(word) - len(ending)]
            if stem in _STEM_SET and (ending == "" or len(stem) > 2):
                return stem
    return None


def _shorten(match: re.Match[str]) -> Pieces | None:
    """A word without its long repeats; `www`, `III` and the like stay."""
    word = match[0]
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
    if _stem_of(single):
        return 1
    if letter in "ls" or (letter in "eo" and run.end() < len(word)):
        return 2
    return 1


def _undisguise(match: re.Match[str]) -> Pieces | None:
    """A word with digits, symbols or blanks for letters as the word that it stands for."""
    word = match[0]
    if _ADDRESS.search(word):
        return None
    core = word.rstrip(".,;:!?)\"'")
    for candidate in dict.fromkeys((word, core)):
        found = _read(candidate.lower())
        if found:
            return [
                (c, min(i, len(word) - 1)) for i, c in enumerate(found + word[len(candidate) :])
            ]
    if _DIGIT_INSIDE.fullmatch(core) and core.lower() not in _TECHNICAL and _plausible(core):
        return [(_PLAIN_LEET.get(c, c), i) for i, c in enumerate(core)] + [
            (c, len(core) + i) for i, c in enumerate(word[len(core) :])
        ]
    return None


def _plausible(word: str) -> bool:
    letters = sum(c.isalpha() for c in word)
    plain = "".join(_PLAIN_LEET.get(c, c) for c in word)
    return (
        len(word) > 3
        and letters * 2 > len(word)
        and not word.isupper()
        and not _CLUSTER.search(plain)
    )


@lru_cache(maxsize=4096)
def _read(word: str) -> str | None:
    """The stem, with its ending, of which a disguised word is a reading."""
    if not any(c.isalpha() for c in word) or not any(not c.isalpha() for c in word):
        return None
    for ending in _ENDINGS:
        if not word.endswith(ending):
            continue
        body = word[: len(word) - len(ending)]
        for stem in _BY_LENGTH.get(len(body), ()):
            if (ending == "" or len(stem) > 2) and _reads_as(body, stem):
                return stem + ending
    return None


def _reads_as(body: str, stem: str) -> bool:
    blanks = sum(c in _BLANKS for c in body)
    if blanks and (body[0] in _BLANKS or blanks * 2 > len(body)):
        return False
    if len(body) - blanks < 2 or (len(stem) < 4 and body[0].isdigit() and body[-1].isdigit()):
        return False
    return all(
        seen == meant or meant in _LEET.get(seen, "") or seen in _BLANKS
        for seen, meant in zip(body, stem, strict=True)
    )


_BY_LENGTH = {
    length: tuple(stem for stem in _STEMS if len(stem) == length)
    for length in range(2, max(map(len, _STEMS)) + 1)
}
