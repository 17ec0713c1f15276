"""What an API key may do."""

from collections.abc import Collection

from inference.errors import Forbidden

AREAS = ("sites", "streams", "policies", "limits", "models", "assistants", "sessions", "bans")
"""Parts of the configuration; `AREA` grants all of it, `AREA:read` only looking."""
ALL = "*"
INSTALLATION = "installation"
"""Reaches beyond the key's own site: to every site, and to what all sites share."""
SCOPES = (
    ALL,
    INSTALLATION,
    "tokens",
    "messages",
    "score",
    "generate",
    *AREAS,
    *(f"{area}:read" for area in AREAS),
)
SHARED = ("policies", "limits", "models", "assistants")
"""Areas that all sites share: changing them takes `installation` too."""


def grants(scopes: Collection[str], needed: str) -> bool:
    """Whether these scopes include the one needed."""
    return ALL in scopes or needed in scopes or needed.partition(":")[0] in scopes


def require(scopes: Collection[str], needed: str) -> None:
    """Raises Forbidden unless these scopes include the one needed."""
    shared = needed in SHARED
    for each in (needed, INSTALLATION) if shared else (needed,):
        if not grants(scopes, each):
            raise Forbidden(f"This key has no scope {each!r}.")


def reaches(scopes: Collection[str], own_site: str, site: str) -> bool:
    """Whether a key of `own_site` may touch `site`."""
    return site == own_site or grants(scopes, INSTALLATION)


def unknown(scopes: Collection[str]) -> list[str]:
    """Those that are no scopes."""
    return sorted(set(scopes) - set(SCOPES))
