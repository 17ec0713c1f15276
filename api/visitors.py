"""Anonymous visitors: what they are called, and how long they are remembered."""

import secrets
import unicodedata

from streams.tokens import MAX_TTL_S, Claims

MAX_NAME = 64
GUEST = "guest-"
"""How the ids of anonymous visitors start; a visitor may keep no other id."""
KEEP_S = 24 * 3600
"""How long after its end a token still proves who its visitor was."""


def clean_name(name: str) -> str:
    """A name of at most 64 characters that shows what it is: no controls, marks of direction
    or other invisible characters, and single spaces."""
    composed = unicodedata.normalize("NFC", name[: MAX_NAME * 4])
    shown = "".join(
        each if unicodedata.category(each)[0] not in "CZ" else " " * each.isspace()
        for each in composed
    )
    return " ".join(shown.split())[:MAX_NAME].strip()


def guest_name() -> str:
    """What a visitor without a name is called."""
    return f"Guest {secrets.randbelow(9_000) + 1_000}"


def visitor(site: str, name: str, previous: Claims | None, now_s: float) -> Claims:
    """Who a visitor is from now on: as before, if there was a token of this site."""
    known = previous if previous and is_kept(previous, site, now_s) else None
    return Claims(
        site=site,
        sub=known.sub if known else GUEST + secrets.token_hex(10),
        name=clean_name(name) or (known.name if known else "") or guest_name(),
        streams=("*",),
        role="member",
        exp=int(now_s) + MAX_TTL_S,
    )


def is_kept(previous: Claims, site: str, now_s: float) -> bool:
    """Whether a genuine token still proves who its visitor was."""
    return (
        previous.site == site and previous.sub.startswith(GUEST) and now_s - previous.exp <= KEEP_S
    )
