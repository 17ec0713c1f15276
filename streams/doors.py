"""The way in for every client with a token, whatever carries it: who it is, and where from.

Nothing here knows WebSockets or HTTP beyond an ASGI scope, whose headers are pairs of bytes.
"""

import logging
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from inference.errors import Forbidden, Unauthorized
from streams import addresses, origins
from streams.clients import Client
from streams.directory import Directory
from streams.tokens import Claims

Scope: TypeAlias = Mapping[str, Any]
BEARER = "bearer "

logger = logging.getLogger(__name__)


def header(scope: Scope, name: bytes) -> Iterator[str]:
    """Every value of a header, in order."""
    values = (value for key, value in scope.get("headers", ()) if key == name)
    return (value.decode("latin-1").strip() for value in values)


def bearer(scope: Scope) -> str | None:
    """The token of the header `Authorization`."""
    for value in header(scope, b"authorization"):
        if value[: len(BEARER)].lower() == BEARER:
            return value[len(BEARER) :].strip()
    return None


def check_origin(scope: Scope, claims: Claims, directory: Directory) -> None:
    """Raises Unauthorized where the token's site does not exist, and Forbidden for a page whose
    origin is not on the site's list. Without an `Origin` it is no browser that asks."""
    site = directory.site(claims.site)
    if site is None:
        raise Unauthorized("The token's site does not exist.")
    for origin in header(scope, b"origin"):
        if not origins.allowed(origin, site.allowed_origins):
            logger.info("The origin %r is not on the list of %s", origin[:200], site.slug)
            raise Forbidden("The origin is not on the site's list.")


def client_of(
    scope: Scope, claims: Claims, session: str, trusted: addresses.Networks, secret: str
) -> Client:
    """The one who comes; `trusted` are proxies, and `secret` hashes the address."""
    address = addresses.of_scope(scope, trusted)
    return Client(
        site=claims.site,
        user=claims.sub,
        name=claims.name,
        role=claims.role,
        streams=frozenset(claims.streams),
        session=session,
        address=addresses.hashed(secret, address),
        expires_ms=claims.exp * 1000,
    )
