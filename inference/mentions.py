"""Mentions, links and their placeholders: what they look like, and texts without them."""

from __future__ import annotations

import re

_NAME = r"(?=\w*[^\W\d])(?!\d{1,2}[ap]m\b)\w+"
MENTION = re.compile(
    rf"(?<![\w@＠])[@＠]{_NAME}(?:[@＠]\w[\w.\-]*\w)?|[\[<{{](?:USER|user|@USER|@user)[\]>}}]"
)
"""A handle, perhaps with its server; an e-mail address is none, nor is a time (`@5pm`)."""
LINK = re.compile(r"(?<!\w)(?:https?:/|www\.)(?:\S*[^\s.,;:!?)\]}'\"»”’…>])?", re.I)
NAME = re.compile(rf"{MENTION.pattern}|(?i:{LINK.pattern})")
BRACKETED = re.compile(r"[\[<{](?:URL|url|HTTPURL|http)[\]>}]")

LINK_WORD = re.compile(r"\b(?:URL|HTTPURL|https?)\b")
_WANTING_WORDS = """
a an and any base called each every first full her his its last long means my named new no not of
old or other our over plain right same second short that the their this use used uses using valid
via what which whose with without wrong your
"""
_WANTING = frozenset(_WANTING_WORDS.split())
"""Words after which `URL` and `http` are words themselves."""
_CHUNK = re.compile(r"\S+")
_CORE = re.compile(r"\w(?:.*\w)?")


def may_hold_placeholder(text: str) -> bool:
    """Whether a look at the placeholders is worth its time."""
    return "URL" in text or "http" in text or "[url]" in text or "<url>" in text


def may_hold_name(text: str) -> bool:
    """Whether a mention or a link may be in it."""
    return "@" in text or "＠" in text or "://" in text or "www." in text


def placeholders(text: str) -> frozenset[int]:
    """Where words begin that stand for a link that somebody took out, at the end of the text.

    Elsewhere `URL` and `http` are words, and at the end too after an article and the like.
    """
    found: list[int] = []
    for chunk in reversed(list(_CHUNK.finditer(text))):
        core = _CORE.search(chunk[0])
        if core is None or chunk[0][0] in "@#":
            continue
        if not LINK_WORD.fullmatch(core[0]):
            if chunk[0].lower() in _WANTING and found:
                found.pop()
            break
        found.append(chunk.start() + core.start())
    return frozenset(found)
