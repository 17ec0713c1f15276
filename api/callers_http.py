"""Who calls: the API key of a request, and the address it comes from."""

import contextlib
import functools
import hmac
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from inference.errors import Forbidden, NotFound, Unauthorized
from streams import addresses, api_keys, scopes
from streams.directory_db import CachedDirectory
from streams.models import ApiKey

T = TypeVar("T")
USED_EVERY = timedelta(minutes=1)
"""How precise `last_used_at` is."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A program with a valid key."""

    key: str
    name: str
    site: str
    scopes: tuple[str, ...]

    def require(self, scope: str) -> None:
        """Raises Forbidden."""
        scopes.require(self.scopes, scope)

    def site_or(self, named: str | None) -> str:
        """The site that a request is about: the named one, or the key's own; raises Forbidden."""
        site = named or self.site
        if not scopes.reaches(self.scopes, self.site, site):
            raise Forbidden(f"This key belongs to the site {self.site!r}.")
        return site

    @property
    def is_bound(self) -> bool:
        """Whether it sees its own site only."""
        return not scopes.grants(self.scopes, scopes.INSTALLATION)


class KeyAuth(HttpBearer):
    """`Authorization: Bearer KEY`."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """The caller; raises Unauthorized."""
        return caller(token)


class AsyncKeyAuth(HttpBearer):
    """The same for asynchronous operations."""

    async def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """The caller; raises Unauthorized."""
        found: Caller = await sync_to_async(caller)(token)
        return found


def caller(key: str) -> Caller:
    """Who this key belongs to; raises Unauthorized.

    The key is looked up by its hash, which tells a guesser nothing by the time it takes.
    """
    digest, now = api_keys.digest(key.strip()), timezone.now()
    valid = Q(expires_at=None) | Q(expires_at__gt=now)
    rows = ApiKey.objects.filter(valid, digest=digest, revoked_at=None, site__active=True)
    row = rows.first()
    if row is None or not hmac.compare_digest(row.digest, digest):
        raise Unauthorized("The API key is not valid.")
    if row.last_used_at is None or now - row.last_used_at > USED_EVERY:
        with contextlib.suppress(DatabaseError):  # Somebody may be writing; it is told next time.
            ApiKey.objects.filter(pk=row.pk).update(last_used_at=now)
    return Caller(str(row.pk), row.name, row.site_id, tuple(str(each) for each in row.scopes))


def caller_of(request: HttpRequest) -> Caller:
    """The caller that `KeyAuth` found."""
    found = getattr(request, "auth", None)
    if not isinstance(found, Caller):
        raise Unauthorized("An API key is needed.")
    return found


def address_of(request: HttpRequest) -> str:
    """The keyed hash of the client's address."""
    forwarded = [request.headers.get("X-Forwarded-For", "")]
    peer = str(request.META.get("REMOTE_ADDR") or "")
    trusted = cast(addresses.Networks, settings.RTAI_TRUSTED_PROXIES)
    address = addresses.of(peer, filter(None, forwarded), trusted)
    return addresses.hashed(settings.RTAI_SECRETS["addresses"], address)


@functools.cache
def _directory(url: str) -> CachedDirectory:
    return CachedDirectory(url)


def directory() -> CachedDirectory:
    """Sites and streams, at most half a second old; from a thread."""
    found = _directory(settings.RTAI_REDIS_URL)
    found.refresh()
    return found


def must(found: T | None, what: str) -> T:
    """What was found; raises NotFound."""
    if found is None:
        raise NotFound(f"There is no {what}.")
    return found
