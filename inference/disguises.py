"""What letters and words hide behind: leetspeak, styled letters, and the words worth hiding."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff"
)
ENCLOSING = "\u0488\u0489\u1abe\u20dd-\u20e0\u20e2-\u20e4"
"""Marks that draw something around a letter."""
MARKS = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
"""Marks that stand on a letter."""
USUAL = "¦©®°±×÷⁺⁻₊№™←↑→↓↔⇌⇒∂∆∇∈−∗∘√∞∧∨∩∪≈≠≡≤≥⊂⊆⊕⊗⋅─│■▪●"
"""Symbols of plain texts, beside numbers and units; a tokenizer knows them."""
MATHEMATICAL = "\U0001d400-\U0001d7ff"
"""Letters of formulas, which are also a style of writing."""
STYLED = (
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\u249c-\u24e9\ufb00-\ufb06\U0001f110-\U0001f12e"
    "\U0001f130-\U0001f189"
)
"""Wide, circled, bracketed and boxed letters, and letters joined to one."""

STEMS = (
    "anal", "anus", "arse", "ass", "asshole", "bastard", "bitch", "blowjob", "bollock", "bomb",
    "boob", "bullshit", "chink", "clit", "cocaine", "cock", "coon", "crap", "cum", "cunt", "damn",
    "dick", "dickhead", "die", "dildo", "dumb", "dumbass", "dyke", "fag", "faggot", "fat", "fuck",
    "fucker", "fucking", "gay", "gook", "gun", "hate", "hell", "heroin", "hitler", "hoe", "horny",
    "idiot", "jackass", "jerk", "jew", "jizz", "kike", "kill", "killing", "kys", "loser", "meth",
    "milf", "moron", "motherfucker", "murder", "muslim", "naked", "nazi", "nigga", "nigger",
    "nude", "orgasm", "paki", "penis", "piss", "porn", "prick", "pussy", "queer", "rape", "rapist",
    "retard", "scum", "sex", "sexy", "shit", "shoot", "skank", "slave", "slut", "spic", "stab",
    "stupid", "suck", "sucker", "suicide", "tits", "titties", "tranny", "trash", "twat", "ugly",
    "vagina", "viagra", "wank", "wanker", "weed", "wetback", "whore", "worthless", "yourself",
)  # fmt: skip
"""Words that people disguise; a disguise is undone without doubt only if one of them comes out."""

COMMON = (
    "a", "all", "and", "are", "be", "can", "do", "drop", "for", "from", "get", "go", "have", "he",
    "her", "him", "his", "hope", "i", "in", "is", "it", "just", "me", "my", "need", "no", "not",
    "of", "off", "on", "or", "she", "should", "so", "that", "the", "their", "them", "they", "this",
    "to", "u", "up", "ur", "want", "we", "what", "will", "with", "you", "your",
)  # fmt: skip
"""Words that stand between them in spaced-out sentences."""

ENDINGS = ("", "s", "es", "ed", "er", "ers", "ing", "in", "y", "head", "heads", "ty", "hole", "t")

LEET = {
    "0": "o", "1": "il", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g", "@": "a",
    "$": "s", "!": "il", "|": "il", "+": "t", "(": "c", "€": "e", "£": "l", "¢": "c", "ß": "b",
    "v": "u",
}  # fmt: skip

PLAIN_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t"}
"""Digits that stand for a letter inside words no list knows."""

_TECHNICAL_WORDS = """
c3po e3s h1n1 h5n1 h5py i3status i3wm l4d2 log4j mp3s mp4s neo4j p4merge ps4s s3cmd s3fs se7en
w3c web3 p!nk $uicideboy$
"""
TECHNICAL = frozenset(_TECHNICAL_WORDS.split())
"""Terms and names that look like leetspeak and are not."""

TECHNICAL_START = re.compile(r"(?:id3|log4|md5|mp[34]|ps[345]|sha1|web3)[a-z]", re.I)
"""How such terms begin."""

_SIGN = re.compile(r"[^\w\s\x00-\x7f]")
_SYMBOLS = frozenset({"Sk", "Sm", "So", "Co", "Cn"})
_KNOWN = frozenset(STEMS) | frozenset(COMMON)
_STEM_SET = frozenset(STEMS)
_BLANKS = frozenset("*#%")
_LONGEST_SPELLED = 400


@lru_cache(maxsize=2048)
def segment(letters: str) -> list[str] | None:
    """The letters as the fewest known words, if at least one of them is a stem."""
    if len(letters) > _LONGEST_SPELLED:
        return None
    fewest: list[int | None] = [0] + [None] * len(letters)
    began = [0] * (len(letters) + 1)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - 14), end):
            before, best = fewest[start], fewest[end]
            if before is not None and (best is None or before + 1 < best):
                word = letters[start:end]
                if word in _KNOWN or stem_of(word):
                    fewest[end], began[end] = before + 1, start
    return None if fewest[-1] is None else _stemmed(walk(letters, began))


def walk(letters: str, began: list[int]) -> list[str]:
    """The letters cut into words; `began` has for each end where the word before it begins."""
    words: list[str] = []
    end = len(letters)
    while end:
        words.append(letters[began[end] : end])
        end = began[end]
    return words[::-1]


def _stemmed(words: list[str]) -> list[str] | None:
    return words if any(stem_of(word) for word in words) else None


def stem_of(word: str) -> str | None:
    for ending in ENDINGS:
        if word.endswith(ending):
            stem = word[: len(word) - len(ending)]
            if stem in _STEM_SET and (ending == "" or len(stem) > 2):
                return stem
    return None


@lru_cache(maxsize=4096)
def read(word: str) -> str | None:
    """The stem, with its ending, of which a disguised word is a reading."""
    if not any(c.isalpha() for c in word) or (word.isalpha() and "v" not in word):
        return None
    for ending in ENDINGS:
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
        seen == meant or meant in LEET.get(seen, "") or seen in _BLANKS
        for seen, meant in zip(body, stem, strict=True)
    )


_BY_LENGTH = {
    length: tuple(stem for stem in STEMS if len(stem) == length)
    for length in range(2, max(map(len, STEMS)) + 1)
}


def has_symbol(text: str) -> bool:
    """Whether one of these characters is a symbol beyond ASCII."""
    return any(map(is_symbol, _SIGN.findall(text)))


@lru_cache(maxsize=2048)
def is_symbol(character: str) -> bool:
    """Whether a tokenizer takes it for a part of the words beside it; it knows few of these, and a
    word with an unknown part is an unknown word."""
    return unicodedata.category(character) in _SYMBOLS


@lru_cache(maxsize=2048)
def unstyled(character: str) -> str:
    """The plain letters or digits that a styled one stands for."""
    code = ord(character)
    if 0x1F150 <= code <= 0x1F169:
        return chr(code - 0x1F150 + 65)
    if 0x1F170 <= code <= 0x1F189:
        return chr(code - 0x1F170 + 65)
    plain = unicodedata.normalize("NFKC", character)
    return plain.strip("()〔〕") or plain
