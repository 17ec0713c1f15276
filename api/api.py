"""The config API: its operations, its documentation, and its errors as problem documents."""

import logging
from typing import Any

import redis
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Swagger
from ninja.errors import AuthenticationError, HttpError, ValidationError

from api import (
    access_http,
    assistants_http,
    messages_http,
    problems,
    rules_http,
    sites_http,
)
from api.callers_http import KeyAuth
from api.views import problem_response
from inference.errors import Overloaded, RtaiError

logger = logging.getLogger(__name__)

api = NinjaAPI(
    title="RTAI",
    version="1.0.0",
    description=(
        "Configures sites, streams, policies, limits, models and assistants; hands out tokens; "
        "shows and ends sessions.\n\nErrors are problem documents (RFC 9457) with a stable `code`."
    ),
    urls_namespace="api-v1",
    auth=KeyAuth(),
    # No badge: it would ask a validator on the internet.
    docs=Swagger(settings={"validatorUrl": None, "persistAuthorization": False}),
)
for router in (
    access_http.router,
    messages_http.router,
    sites_http.router,
    rules_http.router,
    assistants_http.router,
):
    api.add_router("", router)


@api.exception_handler(RtaiError)
def on_error(request: HttpRequest, error: RtaiError) -> HttpResponse:
    """Our own errors, by their code."""
    return problem_response(problems.of_error(error))


@api.exception_handler(redis.RedisError)
@api.exception_handler(DatabaseError)
def on_away(request: HttpRequest, error: Exception) -> HttpResponse:
    """A service we need is away."""
    logger.warning("%s %s failed: %s", request.method, request.path, error)
    return on_error(request, Overloaded("Not able to do this now.", retry_after_ms=1_000))


@api.exception_handler(AuthenticationError)
def on_no_key(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    """There was no key at all."""
    detail = "Send an API key as 'Authorization: Bearer KEY'."
    return problem_response(problems.problem(401, "unauthorized", detail))


@api.exception_handler(Http404)
def on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    """No such path."""
    return problem_response(problems.problem(404, "not_found", "There is nothing here."))


@api.exception_handler(HttpError)
def on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """A body that is not JSON, or a method that is not offered."""
    return problem_response(problems.problem(error.status_code, "bad_frame", error.message))


@api.exception_handler(ValidationError)
def on_invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """A body or parameter that is not what was expected."""
    found = [{"at": _place(each["loc"]), "detail": each["msg"]} for each in error.errors]
    detail = "; ".join(f"{each['at']}: {each['detail']}" for each in found[:3])
    return problem_response(problems.problem(422, "bad_frame", detail, errors=found))


def _place(loc: Any) -> str:
    # The first parts are "body" and the argument's name.
    return ".".join(str(part) for part in loc if part != "body") or "body"
