"""Requests that came over TLS as far as a trusted proxy, which ends it, are secure ones."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from streams import addresses

Application: TypeAlias = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
HEADER = b"x-forwarded-proto"


class ForwardedScheme:
    """ASGI middleware: believes a trusted proxy's `X-Forwarded-Proto`, and nobody else's."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Passes the request on, as `https` where it was that for the client."""
        if _came_over_tls(scope, cast(addresses.Networks, settings.RTAI_TRUSTED_PROXIES)):
            scope = {**scope, "scheme": "https"}
        await self._application(scope, receive, send)


class SecureCookies(MiddlewareMixin):
    """Cookies of a secure request never travel without TLS."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Marks them."""
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response


def _came_over_tls(scope: Mapping[str, Any], trusted: addresses.Networks) -> bool:
    said = [value.strip().lower() for name, value in scope.get("headers", ()) if name == HEADER]
    client = scope.get("client")
    return said == [b"https"] and client is not None and addresses.is_among(client[0], trusted)
