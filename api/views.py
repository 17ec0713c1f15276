"""The widget's own door: an anonymous visitor asks for a token, from a page we know."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from api import problems
from api.callers_http import address_of, directory
from api.visitors import visitor
from inference import connection_redis
from inference.errors import BadFrame, Forbidden, NotFound, Overloaded, RtaiError, TooLarge
from policy.limits_redis import Bucket
from streams import bans_redis, limits_redis, origins, tokens_jwt
from streams.directory import SiteInfo
from streams.session_store import Banned
from streams.tokens import Claims, ExpiredToken, InvalidToken

MAX_BODY = 32 * 1024
View = Callable[[HttpRequest], HttpResponse]


def _with_problems(view: View) -> View:
    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        try:
            response = view(request)
        except RtaiError as error:
            response = problem_response(problems.of_error(error))
        response["Cache-Control"] = "no-store"
        response["Vary"] = "Origin"
        return _allow_origin(request, response)

    return answer


@csrf_exempt
@require_http_methods(["POST", "OPTIONS"])
@_with_problems
def visitor_token(request: HttpRequest) -> HttpResponse:
    """`{"site", "name"?, "previous"?}` → `{"token", "expires_at"}`."""
    if request.method == "OPTIONS":
        return HttpResponse(status=204)
    asked = _body(request)
    site = _site(asked["site"], request.headers.get("Origin", ""))
    address = address_of(request)
    # Its own bucket, at the rate at which an address may connect.
    limits_redis.take(settings.RTAI_REDIS_URL, [Bucket("address.connections", f"token:{address}")])
    found = visitor(site.slug, asked["name"], _previous(asked["previous"]), time.time())
    _refuse_banned(site.slug, address, found.sub)
    return JsonResponse(token_answer(found))


def token_answer(claims: Claims) -> dict[str, str]:
    """A freshly signed token, and when it ends."""
    ends = datetime.fromtimestamp(claims.exp, UTC)
    return {
        "token": tokens_jwt.mint(settings.RTAI_SECRETS["tokens"], claims),
        "expires_at": ends.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def problem_response(found: dict[str, Any]) -> HttpResponse:
    """A problem document as a response."""
    return JsonResponse(
        found,
        status=found["status"],
        content_type=problems.CONTENT_TYPE,
        headers=problems.headers(found),
    )


def _body(request: HttpRequest) -> dict[str, str]:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        raise TooLarge(f"The body has more than {MAX_BODY} bytes.")
    try:
        found = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadFrame("The body is not JSON.") from None
    if not isinstance(found, dict) or not isinstance(found.get("site"), str):
        raise BadFrame("The body is not an object with the text 'site'.")
    for name in ("name", "previous"):
        if not isinstance(found.get(name), str | None):
            raise BadFrame(f"{name!r} is not a text.")
    return {name: found.get(name) or "" for name in ("site", "name", "previous")}


def _site(public_key: str, origin: str) -> SiteInfo:
    site = directory().site_by_key(public_key)
    if site is None:
        raise NotFound("There is no site with this public key.")
    if not origin or not origins.allowed(origin, site.allowed_origins):
        raise Forbidden("The page's origin is not on the site's list.")
    return site


def _previous(token: str) -> Claims | None:
    """Whom a genuine earlier token named. A forged one is no reason to lock a visitor out."""
    try:
        return tokens_jwt.verify(settings.RTAI_SECRETS["tokens"], token, time.time())
    except ExpiredToken as error:
        return error.claims
    except InvalidToken:
        return None


def _refuse_banned(site: str, address: str, user: str) -> None:
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    try:
        ends = max(
            bans_redis.ban_end(client, site, bans_redis.ADDRESS, address),
            bans_redis.ban_end(client, site, bans_redis.USER, user),
        )
    except (redis.RedisError, OSError) as error:
        raise Overloaded("Bans cannot be read now.", retry_after_ms=1_000) from error
    if ends > time.time() * 1000:
        raise Banned(ends)


def _allow_origin(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Lets pages of any site's origin read the answer; there is no cookie to protect.

    Other pages may read that they are refused, and nothing else: a script that cannot would take
    the refusal for a broken network, and ask for ever.
    """
    origin = request.headers.get("Origin", "")
    known = any(origins.allowed(origin, site.allowed_origins) for site in directory().sites())
    if origin and (known or request.method == "OPTIONS" or response.status_code >= 400):
        response["Access-Control-Allow-Origin"] = origin if known else "*"
        response["Access-Control-Allow-Methods"] = "POST"
        response["Access-Control-Allow-Headers"] = "Content-Type"
        response["Access-Control-Expose-Headers"] = "Retry-After"
        response["Access-Control-Max-Age"] = "600"
    return response
