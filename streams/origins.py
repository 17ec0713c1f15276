"""Which web pages may connect: a site's list of origins, compared part by part."""

import re
from collections.abc import Iterable

_HOST = r"(?:[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?\.?"
_ORIGIN = re.compile(rf"(https?)://({_HOST}|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?")
_PORTS = {"http": 80, "https": 443}
_ANY = "*."


def allowed(origin: str, patterns: Iterable[str]) -> bool:
    """Whether a page of `origin` may connect.

    A pattern is an exact origin, or one whose host starts with `*.` and then means every host
    below, but not that host itself. Scheme and port must be the same. `null`, and what is no
    origin at all, passes only if it is listed literally.
    """
    found = _split(origin)
    if found is None:
        return origin == "null" and "null" in patterns
    return any(_matches(found, pattern) for pattern in patterns)


def is_pattern(pattern: str) -> bool:
    """Whether some page's origin can match this entry of a site's list."""
    return allowed(pattern.replace(_ANY, "any.", 1), [pattern])


def _matches(origin: tuple[str, str, int], pattern: str) -> bool:
    scheme, _, rest = pattern.strip().lower().partition("://")
    below = rest.startswith(_ANY)
    expected = _split(f"{scheme}://{rest.removeprefix(_ANY)}")
    if expected is None or (origin[0], origin[2]) != (expected[0], expected[2]):
        return False
    if below:
        return origin[1].endswith("." + expected[1])
    return origin[1] == expected[1]


def _split(origin: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None if this is not an origin and nothing more."""
    found = _ORIGIN.fullmatch(origin.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return scheme, host, int(port) if port else _PORTS[scheme]
