"""One HTTP request of an event stream's client, without Django: headers, body, who it is, answer.

A stream stays open for long; Django would keep a thread for each, which an event loop need not.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl

from django.conf import settings

from api import problems
from inference.errors import BadFrame, Forbidden, TooLarge, Unauthorized
from streams import addresses, lifespan, origins, tickets_redis, tokens_jwt
from streams.clients import Client
from streams.frames import MAX_FRAME_BYTES
from streams.tokens import Claims, InvalidToken

Scope: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

BEARER = "bearer "
MAX_PARAMETERS = 8
PRIVATE: Headers = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"vary", b"Origin"),
]
ALLOWED: Headers = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Cache-Control, Last-Event-ID"),
    (b"access-control-max-age", b"600"),
]


class Exchange:
    """A request and its answer."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, gateway: lifespan.Gateway
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.gateway = gateway
        self.started = False
        self._send = send

    def header(self, name: bytes) -> str:
        """A header's value; '' where there is none."""
        values = (value for key, value in self.scope.get("headers", ()) if key == name)
        return str(next(values, b"").decode("latin-1").strip())

    def query(self) -> dict[str, str]:
        """Parameters of the URL; raises BadFrame."""
        text = self.scope.get("query_string", b"").decode("latin-1")
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
        except ValueError:
            raise BadFrame("The URL has too many parameters.") from None
        if len(dict(pairs)) != len(pairs):
            raise BadFrame("The URL has a parameter twice.")
        return dict(pairs)

    async def body(self) -> Mapping[str, Any]:
        """The request's JSON object; raises BadFrame and TooLarge."""
        found = bytearray()
        while (message := await self.receive())["type"] == "http.request":
            found += message.get("body", b"")
            if len(found) > MAX_FRAME_BYTES:
                raise TooLarge(f"The body has more than {MAX_FRAME_BYTES} bytes.")
            if not message.get("more_body"):
                break
        try:
            decoded = json.loads(found)
        except (ValueError, RecursionError):
            raise BadFrame("The body is not JSON.") from None
        if not isinstance(decoded, dict):
            raise BadFrame("The body is not a JSON object.")
        return decoded

    async def claims(self, *, tickets: bool = False) -> Claims:
        """Who calls; raises InvalidToken, ExpiredToken, Forbidden or Overloaded."""
        authorization = self.header(b"authorization")
        if authorization[: len(BEARER)].lower() == BEARER:
            token = authorization[len(BEARER) :].strip()
            claims = tokens_jwt.verify(settings.RTAI_SECRETS["tokens"], token, time.time())
        elif tickets and (ticket := self.query().get("ticket")):
            async with self.gateway.ports.gate:
                claims = await tickets_redis.redeem(settings.RTAI_REDIS_URL, ticket)
        else:
            raise InvalidToken("There is no token.")
        self._check_origin(claims)
        return claims

    def _check_origin(self, claims: Claims) -> None:
        site = self.gateway.ports.directory.site(claims.site)
        if site is None:
            raise Unauthorized("The token's site does not exist.")
        origin = self.header(b"origin")
        if origin and not origins.allowed(origin, site.allowed_origins):
            raise Forbidden("The origin is not on the site's list.")

    def client(self, claims: Claims, session: str = "") -> Client:
        """The one who calls, and where from."""
        trusted = cast(addresses.Networks, settings.RTAI_TRUSTED_PROXIES)
        address = addresses.of_scope(self.scope, trusted)
        return Client(
            site=claims.site,
            user=claims.sub,
            name=claims.name,
            role=claims.role,
            streams=frozenset(claims.streams),
            session=session,
            address=addresses.hashed(settings.RTAI_SECRETS["addresses"], address),
            expires_ms=claims.exp * 1000,
        )

    async def start(self, status: int, headers: Headers) -> None:
        """The answer's head."""
        self.started = True
        named = [*headers, *PRIVATE, *self._for_pages()]
        await self._send({"type": "http.response.start", "status": status, "headers": named})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        """A piece of the answer; returns when the transport took it."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, status: int, found: Mapping[str, Any]) -> None:
        """A whole answer in JSON."""
        kind = (b"content-type", b"application/json")
        await self._whole(status, json.dumps(found).encode(), [kind])

    async def refuse(self, found: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """A problem document."""
        named = {"content-type": problems.CONTENT_TYPE, **problems.headers(found), **headers}
        pairs = [(name.lower().encode(), value.encode()) for name, value in named.items()]
        await self._whole(found["status"], json.dumps(found).encode(), pairs)

    async def preflight(self) -> None:
        """Tells a browser whether a page of this origin may ask at all."""
        allowed = bool(self._for_pages())
        await self._whole(204 if allowed else 403, b"", ALLOWED if allowed else [])

    async def _whole(self, status: int, body: bytes, headers: Headers) -> None:
        length = [] if status == 204 else [(b"content-length", str(len(body)).encode())]
        await self.start(status, [*headers, *length])
        await self.write(body, more=False)

    def _for_pages(self) -> Headers:
        """Lets pages of any site's origin read the answer; there is no cookie to protect."""
        origin = self.header(b"origin")
        sites = self.gateway.directory.sites()
        if not origin or not any(origins.allowed(origin, each.allowed_origins) for each in sites):
            return []
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", b"Retry-After"),
        ]
