"""Words that are spelled to be misread: spaced out, stretched, with digits and signs for letters.

Each function gets what one pattern found and answers with new characters and their places in it,
or with None where the word is what it seems.
"""

from __future__ import annotations

import re
from itertools import product

from inference.disguises import (
    MARKS,
    PLAIN_LEET,
    TECHNICAL,
    TECHNICAL_START,
    read,
    segment,
    stem_of,
)
from inference.vocabulary import Vocabulary

Pieces = list[tuple[str, int]]
"""New characters, each with its place in what was matched."""

ADDRESS = re.compile(
    r"://|www\.|\w@\w+\.\w|\.(?:com|org|net|io|gov|edu|html?|php|py|js|exe)\b", re.I
)
DISGUISED = re.compile(r"(?<!\S)(?=\S*[0-9@$!|+(€£¢*#%])(?=\S*[A-Za-z])\S{2,24}(?!\S)")
_DIGIT_INSIDE = re.compile(r"[A-Za-z]{1,}(?:([013457])\1?[a-z]+)+")
_DOUBTFUL_ONE = re.compile("(?!(?<![aeiou])a1[dlnr][a-z])[aeiou]1", re.I)
"""After a vowel it may be an i or an l: `a1phabet`."""
_CLUSTER = re.compile(r"[bcdfghjklmnpqrstvwxz]{5}|^[^aeiouy]+$", re.I)

SPACED = re.compile(
    r"(?<![\w'’])[A-Za-z0-9@$!](?:[ \t]{1,2}[A-Za-z0-9@$!]){2,}(?!\w)"
    r"|(?<![\w'’])[A-Za-z0-9@$!](?:[ \t]?(?:\r?\n){1,2}[ \t]?[A-Za-z0-9@$!]){2,}(?![\w'’])"
    r"|(?<![\w'’])[A-Za-z@$](?:([._\-*~|/,])\1?[A-Za-z0-9@$!]){2,}(?!\w)"
)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz"

LETTERS = re.compile(r"[A-Za-z]{3,}")
_RUN = re.compile(r"([A-Za-z])\1{2,}", re.I)
_SOUND = re.compile(r"(?<!\w)[^aeiouy\W\d_]+(?!\w)", re.I)
_RUNS = 4
_LONG_NAME = 24
"""Letters from which on a word with four equal ones is a name, as Llanfairpwllgwyngyll…."""

MISREAD = re.compile(r"(?<!\w)[A-Za-z]{4,24}(?!\w)")
CAPITAL_I = re.compile("I(?<=[a-z]I)|l(?<=[A-Z]l)(?=[A-Z])")
V_FOR_U = re.compile(r"v(?:(?<=[bcdfghjklmnpqrstwxz]v)[bcdfghjklmnpqrstwxz]|(?<=\bv)gl)")
_STROKES = str.maketrans("Il", "||")

LONGEST_WORD = 90
"""A tokenizer takes a word of more than 100 characters for one unknown token."""
_PIECE = 45
LONG_WORD = re.compile(rf"(?<![\w{MARKS}])[\w{MARKS}]{{{LONGEST_WORD + 1},}}")


def join(match: re.Match[str], vocabulary: Vocabulary | None = None) -> Pieces | None:
    """Spaced or punctuated single letters as the words that they spell."""
    letters = [(c, i) for i, c in enumerate(match[0]) if c.isalnum() or c in "@$!"]
    spelled = "".join(c for c, _ in letters)
    lower = "".join(
        PLAIN_LEET.get(c, {"@": "a", "$": "s", "!": "i"}.get(c, c)) for c in spelled.lower()
    )
    words = segment(lower)
    if words is None and vocabulary is not None:
        words = _known_words(match[0], lower, vocabulary)
    is_title = vocabulary is not None and spelled.istitle()
    if words is None and (
        "\n" in match[0] or not _is_word_like(spelled.lower() if is_title else spelled)
    ):
        return None
    pieces: Pieces = []
    at = 0
    for word in words or [lower]:
        if pieces:
            pieces.append((" ", letters[at][1] - 1))
        pieces += [(c, letters[at + i][1]) for i, c in enumerate(word)]
        at += len(word)
    return pieces


def _known_words(spaced: str, letters: str, vocabulary: Vocabulary) -> list[str] | None:
    """The words that single letters spell, if most of them are words and one is no abbreviation."""
    if "\n" in spaced or not letters.isalpha() or (spaced.isupper() and " " not in spaced):
        return None
    words = vocabulary.segment(letters)
    known = [word for word in words if vocabulary.is_word(word)]
    longest = max(map(len, known), default=0)
    is_told = sum(map(len, known)) * 4 >= len(letters) * 3 and len(words) * 2 < len(letters)
    enough = 5 if spaced.isupper() else 3 if known == words and len(letters) > 5 else 4
    return words if is_told and longest >= enough else None


def _is_word_like(spelled: str) -> bool:
    return (
        len(spelled) > 4
        and spelled.isalpha()
        and spelled.islower()
        and spelled not in _ALPHABET
        and not _CLUSTER.search(spelled)
    )


def reread(match: re.Match[str]) -> Pieces | None:
    """A word with a capital i for an l, an l for a capital i, or a v for a u."""
    word = match[0]
    lower = word.lower()
    found = read(word.translate(_STROKES).lower()) if CAPITAL_I.search(word) else None
    if found is None and V_FOR_U.search(lower):
        found = read(lower)
    return None if found is None else [(c, i) for i, c in enumerate(found)]


def shorten(match: re.Match[str], vocabulary: Vocabulary | None = None) -> Pieces | None:
    """A word without its long repeats; `www`, `III` and the like stay."""
    word = match[0]
    if not _RUN.search(word) or _is_meant(word):
        return None
    hidden = read(word.lower().replace("l", "|")) if "lll" in word.lower() else None
    if hidden:
        return [(c, i) for i, c in enumerate(hidden)]
    sound = _is_sound(match)
    known = None if vocabulary is None or sound else _known_lengths(word, vocabulary)
    pieces: Pieces = []
    end = 0
    for number, run in enumerate(_RUN.finditer(word)):
        pieces += [(word[i], i) for i in range(end, run.start())]
        keep = known[number] if known else 3 if sound else _kept(word, run)
        pieces += [(word[i], i) for i in range(run.start(), run.start() + keep)]
        end = run.end()
    pieces += [(word[i], i) for i in range(end, len(word))]
    return pieces if len(pieces) < len(word) else None


def _known_lengths(word: str, vocabulary: Vocabulary) -> tuple[int, ...] | None:
    """How many letters of each run stay in the most frequent word that it may be."""
    runs = list(_RUN.finditer(word))
    if len(runs) > _RUNS or any("I" in run[0] and run[0] != run[0].upper() for run in runs):
        return None
    lengths: dict[str, tuple[int, ...]] = {}
    for each in product((1, 2), repeat=len(runs)):
        kept = iter(each)
        lengths[_RUN.sub(lambda run: run[1] * next(kept), word).lower()] = each  # noqa: B023
    stems = [shorter for shorter in lengths if stem_of(shorter)]
    found = vocabulary.best(stems or lengths)
    return None if found is None else lengths[found]


def _is_meant(word: str) -> bool:
    """Whether it is one letter or a Roman numeral."""
    return len(set(word.lower())) < 2 or (
        word.isupper() and len(word) < 6 and set(word) <= set("IVXLCM")
    )


def _is_sound(match: re.Match[str]) -> bool:
    """Whether it is a word of two letters that are no vowels, as `brrr`."""
    whole = _SOUND.match(match.string, match.start())
    return whole is not None and whole[0] == match[0] and len(set(match[0].lower())) == 2


def _kept(word: str, run: re.Match[str]) -> int:
    """How many letters of a run stay."""
    letter, length = run[1].lower(), run.end() - run.start()
    single = (word[: run.start()] + letter + word[run.end() :]).lower()
    if stem_of(single):
        return 1
    if len(single) > _LONG_NAME and length < 5:
        return length
    if _is_joint(word, run) or "iI" in run[0] or run[0] == "III":
        return length
    if letter in "ls" or (letter in "eo" and run.end() < len(word)):
        return 2
    return 1


def _is_joint(word: str, run: re.Match[str]) -> bool:
    """Whether two words meet in three equal consonants, as in `Schifffahrt`."""
    return (
        run.end() - run.start() == 3
        and run[1].lower() not in "aeiouy"
        and run.start() > 1
        and len(word) - run.end() > 2
    )


def split(match: re.Match[str]) -> Pieces:
    """An endless word in pieces that a tokenizer can read."""
    pieces: Pieces = []
    for place, character in enumerate(match[0]):
        if place and place % _PIECE == 0:
            pieces.append((" ", place))
        pieces.append((character, place))
    return pieces


def undisguise(match: re.Match[str]) -> Pieces | None:
    """A word with digits, symbols or blanks for letters as the word that it stands for."""
    word = match[0]
    if ADDRESS.search(word):
        return None
    core = word.rstrip(".,;:!?)\"'")
    for candidate in dict.fromkeys((word, core)):
        found = read(candidate.lower())
        if found:
            end = len(candidate)
            return [(c, min(i, end - 1)) for i, c in enumerate(found)] + [
                (c, end + i) for i, c in enumerate(word[end:])
            ]
    if _DIGIT_INSIDE.fullmatch(core) and _is_plausible(core):
        return [(PLAIN_LEET.get(c, c), i) for i, c in enumerate(core)] + [
            (c, len(core) + i) for i, c in enumerate(word[len(core) :])
        ]
    return None


def _is_plausible(word: str) -> bool:
    """Whether a word that no list knows has digits for letters, and it is clear for which."""
    letters = sum(c.isalpha() for c in word)
    plain = "".join(PLAIN_LEET.get(c, c) for c in word)
    if word.lower() in TECHNICAL or TECHNICAL_START.match(word) or _DOUBTFUL_ONE.search(word):
        return False
    return (
        len(word) > 3
        and letters * 2 > len(word)
        and not word.isupper()
        and not _CLUSTER.search(plain)
    )
