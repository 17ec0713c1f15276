"""Misspells texts the way people do, and the way people do to slip past a filter."""

from __future__ import annotations

import random
import re

NEIGHBOURS = {
    "a": "sqz", "b": "vgn", "c": "xdv", "d": "sfe", "e": "wrd", "f": "dgr", "g": "fht",
    "h": "gjy", "i": "uok", "j": "hku", "k": "jli", "l": "kop", "m": "nj", "n": "bmh",
    "o": "ipl", "p": "ol", "q": "wa", "r": "etf", "s": "adw", "t": "ryg", "u": "yij",
    "v": "cbf", "w": "qes", "x": "zcs", "y": "tuh", "z": "xas",
}  # fmt: skip
LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7"}
SHORT = {
    "you": "u", "your": "ur", "are": "r", "for": "4", "to": "2", "people": "ppl", "please": "pls",
    "because": "cuz", "with": "w", "what": "wat", "kill": "k1ll", "going to": "gonna",
}  # fmt: skip
_ADDRESS = re.compile(r"@\w+|https?(?:://\S+)?(?!\w)|www\.\S+")


def misspell(text: str, dice: random.Random) -> str:
    """One text with a few slips: typing errors, leetspeak, repeats, short forms of chat."""
    words = text.split(" ")
    trick = dice.choice((_swap, _drop, _double, _neighbour, _leet, _stretch, _short, _dot))
    for _ in range(max(1, len(words) // 8)):
        place = dice.randrange(len(words))
        if len(words[place]) > 2:
            words[place] = trick(words[place], dice)
    return " ".join(words)


def recase(text: str, dice: random.Random) -> str:
    """The text without its punctuation at the end, or shouted, or with a row of marks."""
    kind = dice.randrange(4)
    if kind == 0:
        return text.rstrip(".!?")
    if kind == 1:
        return text.upper()
    if kind == 2:
        return text.rstrip(".!?") + dice.choice(("!!", "!!!", "...", " lol", " 😂", "??"))
    return text.lower()


def _swap(word: str, dice: random.Random) -> str:
    at = dice.randrange(len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _drop(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word))
    return word[:at] + word[at + 1 :]


def _double(word: str, dice: random.Random) -> str:
    at = dice.randrange(len(word))
    return word[:at] + word[at] + word[at:]


def _neighbour(word: str, dice: random.Random) -> str:
    at = dice.randrange(len(word))
    near = NEIGHBOURS.get(word[at].lower())
    return word if near is None else word[:at] + dice.choice(near) + word[at + 1 :]


def _leet(word: str, dice: random.Random) -> str:
    return "".join(
        dice.choice(LEET[letter]) if letter in LEET and dice.random() < 0.5 else letter
        for letter in word
    )


def _stretch(word: str, dice: random.Random) -> str:
    at = dice.randrange(1, len(word))
    return word[:at] + word[at] * dice.randint(2, 4) + word[at:]


def _short(word: str, dice: random.Random) -> str:
    return SHORT.get(word.lower(), word)


def _dot(word: str, dice: random.Random) -> str:
    return dice.choice((".", "-", "_", "*")).join(word) if dice.random() < 0.5 else _hide(word)


def _hide(word: str) -> str:
    return word[0] + "*" + word[2:]


def unaddressed(text: str) -> str:
    """The text without the people and the links that it names, as a tweet without its marks."""
    return " ".join(_ADDRESS.sub(" ", text).split())
