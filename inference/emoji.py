"""What emoji say, in words that a model reads; flags say nothing, unless they spell a word."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from inference.disguises import segment

EMOJI = (
    "\u2600-\u27bf\u2b50\u2b55\U0001f18e\U0001f191-\U0001f1ac\U0001f300-\U0001f3fa"
    "\U0001f400-\U0001f64f\U0001f680-\U0001faff"
)
REGIONAL = "\U0001f1e6-\U0001f1ff"
"""Boxed letters; two of them are a flag."""

EMOJI_WORDS = {
    # Faces.
    "😂": "laughing", "🤣": "laughing", "😍": "love", "🥰": "love", "🤩": "excited", "😭": "crying",
    "😊": "happy", "😁": "happy", "😀": "happy", "😃": "happy", "😄": "happy", "🙂": "smile",
    "😘": "kiss", "😢": "sad", "😔": "sad", "☹": "sad", "🙁": "sad", "☺": "happy", "😡": "angry",
    "😠": "angry", "🤬": "swearing angry", "🤮": "vomit disgusting", "🤢": "disgusting",
    "😎": "cool", "🙄": "annoyed", "😒": "annoyed", "😉": "wink", "😩": "weary", "😅": "relieved",
    "🥳": "celebrate", "😴": "sleepy", "🤡": "clown", "💀": "skull", "☠": "death", "😈": "devil",
    "👿": "angry devil", "🥺": "pleading", "🥵": "hot", "🥶": "cold", "🤗": "hug", "🤔": "thinking",
    "🫡": "salute", "🫠": "melting", "🤯": "shocked", "😱": "scared", "💩": "shit", "👻": "ghost",
    "🙈": "shy", "🙉": "shy", "🙊": "shy",
    # Hearts.
    "❤": "love", "💕": "love", "🧡": "love", "💛": "love", "💚": "love", "💙": "love",
    "💜": "love", "🖤": "love", "🤍": "love", "🤎": "love", "🩷": "love", "🩵": "love",
    "🩶": "love", "💖": "love", "💗": "love", "💘": "love", "💞": "love", "🫶": "love",
    # Hands and people.
    "🖕": "fuck you", "🙏": "please", "👍": "good", "👎": "bad", "👏": "applause",
    "👊": "fist bump", "🤏": "tiny", "🫵": "you", "🤙": "call me", "💪": "strong", "🙌": "hooray",
    "🤝": "deal", "🤷": "shrug", "🤦": "facepalm", "🙋": "hello", "👋": "hello", "👌": "okay",
    "🤌": "perfect",
    # Weapons, drugs and death.
    "🔪": "knife", "🔫": "gun", "💣": "bomb", "🧨": "firecracker", "🗡": "knife", "🪦": "grave",
    "💉": "needle", "💊": "pill", "🩸": "blood",
    # Signs and things.
    "🔥": "fire", "🎉": "celebrate", "✨": "sparkles", "💯": "hundred percent", "💦": "splash",
    "🗑": "trash", "🚮": "trash", "🔞": "18+", "🚫": "no", "⛔": "no", "❌": "no",
    "✅": "yes", "✔": "yes", "❓": "?", "❗": "!", "💋": "kiss", "🫦": "biting lip",
}  # fmt: skip
"""Emoji in shorter words than their Unicode names, or in what they are used for."""

SEQUENCES = {
    "🏳️‍🌈": "pride", "🏳‍🌈": "pride", "🏳️‍⚧️": "trans pride", "🏴‍☠️": "pirates", "🏴‍☠": "pirates",
    "❤️‍🔥": "love", "👉👌": "sex",
}  # fmt: skip
"""What some emoji say together."""

TEASING = {"🍆": "dick", "🍑": "ass", "💦": "cum"}
"""What emoji of food and water mean among lips and tongues; elsewhere they are what they are."""
_TEASED = "🍆🍑💦👅👄🫦🥵😏😈💋"

COMPANIONS = "🍆🍑" + "".join({sequence[0] for sequence in SEQUENCES})
"""Emoji that mean something else in company."""
SEQUENCE = re.compile("|".join(sorted(SEQUENCES, key=len, reverse=True)))
TEASE = re.compile(f"[{_TEASED}](?:[\ufe0f\u200d ]*[{_TEASED}])+")

_EMOJI = re.compile(f"[{EMOJI}]")
_NO_WORDS = frozenset({"face", "with", "sign", "symbol", "black", "squared", "negative"})

_FLAG_CODES = """
AC AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CP CR CU CV CW CX CY CZ DE DG DJ DK DM DO DZ EA
EC EE EG EH ER ES ET EU FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY
HK HM HN HR HT HU IC ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA
LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ
NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TA TC TD TF TG TH TJ TK TL TM TN TO
TR TT TV TW TZ UA UG UM UN US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
"""
"""Pairs of boxed letters that are shown as a flag: countries after ISO 3166, and a few more."""
_FLAGS = frozenset(_FLAG_CODES.split())


@lru_cache(maxsize=4096)
def emoji_word(character: str) -> str:
    """What an emoji says, in words; none if it is newer than the names that Python knows."""
    known = EMOJI_WORDS.get(character)
    if known is not None:
        return known
    words = unicodedata.name(character, "").lower().split()
    return " ".join(w for w in words if w not in _NO_WORDS) or ("face" if words else "")


def spelled_flags(boxed: str) -> str | None:
    """The letters of a run of boxed ones, unless it is flags: pairs that are all countries."""
    letters = "".join(chr(ord(c) - 0x1F1E6 + ord("A")) for c in boxed)
    pairs = [letters[at : at + 2] for at in range(0, len(letters), 2)]
    flags = all(pair in _FLAGS for pair in pairs) and not segment(letters.lower())
    return None if flags else letters


def teased(match: re.Match[str]) -> list[tuple[str, int]] | None:
    """Emoji of food and water in a run of flirting ones as what they mean there."""
    before = match.string[: match.start()].rstrip()[-1:]
    after = match.string[match.end() :].lstrip()[:1]
    different = set(match[0]) & set(_TEASED)
    if len(different) < 2 or any(_EMOJI.match(c) for c in (before, after)):
        return None
    if not different & {"🍆", "🍑"}:
        return None
    pieces: list[tuple[str, int]] = []
    for place, character in enumerate(match[0]):
        if character in TEASING and match[0][place - 1 : place] != character:
            pieces += [(c, place) for c in f" {TEASING[character]} "]
        elif character not in TEASING:
            pieces.append((character, place))
    return pieces
