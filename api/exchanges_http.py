"""One HTTP request of an event stream's client, without Django: headers, body, who it is, answer.

A stream stays open for long; Django would keep a thread for each, which an event loop need not.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl

from django.conf import settings

from api import problems
from api.bodies import json_object
from inference.errors import BadFrame
from streams import addresses, doors, lifespan, origins, tickets_redis
from streams.clients import Client
from streams.doors import Scope
from streams.frames import MAX_FRAME_BYTES
from streams.tokens import Claims, InvalidToken

Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

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
        return next(doors.header(self.scope, name), "")

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
        return await json_object(self.receive, MAX_FRAME_BYTES)

    async def claims(self, *, tickets: bool = False) -> Claims:
        """Who calls; raises InvalidToken, ExpiredToken, Forbidden or Overloaded."""
        if (token := doors.bearer(self.scope)) is not None:
            claims = self.gateway.ports.verify(token)
        elif tickets and (ticket := self.query().get("ticket")):
            async with self.gateway.ports.gate:
                claims = await tickets_redis.redeem(settings.RTAI_REDIS_URL, ticket)
        else:
            raise InvalidToken("There is no token.")
        doors.check_origin(self.scope, claims, self.gateway.ports.directory)
        return claims

    def client(self, claims: Claims, session: str = "") -> Client:
        """The one who calls, and where from."""
        trusted = cast(addresses.Networks, settings.RTAI_TRUSTED_PROXIES)
        secret = settings.RTAI_SECRETS["addresses"]
        return doors.client_of(self.scope, claims, session, trusted, secret)

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
