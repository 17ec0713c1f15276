"""Pages for people, and the script that other people's pages embed."""

import asyncio
import functools
import gzip
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import redis
from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.decorators import user_passes_test
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import condition, require_safe

from console import bundle, demo, status, status_db, status_redis
from inference import connection_redis
from inference.errors import RtaiError
from streams import lifespan

WIDGET = (
    *("words", "backoff", "place", "waking", "client", "thread", "answers", "visitor"),
    *("style", "parts", "nametag", "composer", "log", "standing", "widget"),
)
"""The widget's modules, each after those it imports."""
START = "boot(document.currentScript);"
HOUR_S = 5
"""Seconds for which the last hour's counts are kept: they cost a query over all its verdicts."""

PROBE_S = 0.5

logger = logging.getLogger(__name__)
T = TypeVar("T")


@functools.cache
def widget_bundle() -> tuple[bundle.Bundle, bytes]:
    """The embed script and its gzip form, made once for each process."""
    paths = [Path(str(finders.find(f"streams/{name}.js"))) for name in WIDGET]
    found = bundle.join([path.read_text() for path in paths], START)
    return found, gzip.compress(found.body, 9, mtime=0)


def _widget_etag(request: HttpRequest) -> str:
    # Weak: the gzip form has the same tag.
    return f"W/{widget_bundle()[0].etag}"


@require_safe
@condition(etag_func=_widget_etag)
def widget_script(request: HttpRequest) -> HttpResponse:
    """The one script that a page embeds."""
    found, packed = widget_bundle()
    zipped = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(packed if zipped else found.body)
    response["Content-Type"] = "text/javascript; charset=utf-8"
    response["Cache-Control"] = "public, max-age=300, stale-while-revalidate=86400"
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    if zipped:
        response["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


def _is_operator(user: Any) -> bool:
    return bool(user.is_active and user.is_staff)


operators_only = user_passes_test(_is_operator, login_url="admin:login")


@require_safe
@never_cache
def home(request: HttpRequest) -> HttpResponseBase:
    """The status page for an operator; the demo, or the sign-in, for everybody else."""
    if _is_operator(request.user):
        return _dashboard(request)
    return redirect("console:demo" if settings.RTAI_DEMO else "admin:login")


@require_safe
@never_cache
@operators_only
def dashboard(request: HttpRequest) -> HttpResponse:
    """The live dashboard."""
    return _dashboard(request)


def _dashboard(request: HttpRequest) -> HttpResponse:
    context = {"areas": list(_areas(request)), "demo": settings.RTAI_DEMO}
    return render(request, "console/dashboard.html", context)


AREAS = (
    ("Sessions", "streams", "sessionview", "Who is connected; disconnect or ban."),
    ("Rate limits", "streams", "ratelimit", "How fast, and how many at once."),
    ("Policies", "policy", "policyrecord", "Which scores lead to which action."),
    ("Verdicts", "policy", "verdictrecord", "Every judged message, with its scores."),
    ("Model versions", "inference", "modelversionrecord", "What judges; switch without a restart."),
    ("Assistants", "generation", "assistantrecord", "Who answers, how, and with which models."),
    (
        "Assistant models",
        "generation",
        "assistantmodelrecord",
        "The plugin llm, or servers of yours.",
    ),
    ("Sites", "streams", "site", "Public keys and allowed origins."),
    ("Streams", "streams", "stream", "Live feeds and how long they remember."),
    ("API keys", "streams", "apikey", "Keys for a site's own programs."),
    ("Bans", "streams", "ban", "Who may not connect, and until when."),
)


def _areas(request: HttpRequest) -> Any:
    """Those parts of the admin that exist and that this operator may see."""
    known = {model._meta.label_lower: site for model, site in admin.site._registry.items()}
    for title, app, model, about in AREAS:
        found = known.get(f"{app}.{model}")
        if found is not None and found.has_view_or_change_permission(request):
            try:
                url = reverse(f"admin:{app}_{model}_changelist")
            except NoReverseMatch:
                continue
            yield {"title": title, "about": about, "url": url}


@require_safe
async def status_json(request: HttpRequest) -> HttpResponse:
    """The dashboard's numbers; 403 for anybody but operators."""
    if not _is_operator(await request.auser()):
        response = JsonResponse({"error": "Sign in as an operator."}, status=403)
    else:
        ready = await _readiness()
        found = await lifespan.in_thread(lambda: _status(ready))
        response = JsonResponse(found.as_json())
    response["Cache-Control"] = "no-store"
    return response


async def _readiness() -> status.Ready:
    """What the last probe through a worker said; a new one gets half a second."""
    try:
        gateway = await lifespan.gateway()
        answer = await asyncio.wait_for(gateway.readiness.answer(), PROBE_S)
    except TimeoutError:
        return status.Ready(None, "a probe is on its way to a worker")
    except (redis.RedisError, DatabaseError, OSError, RtaiError) as error:
        return status.Ready(False, str(error))
    return status.Ready(answer.ready, answer.reason)


def _status(ready: status.Ready) -> status.Status:
    failures: list[str] = []
    sites = _try(failures, "the database", status_db.sites)
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    live = _try(failures, "Redis", lambda: status_redis.read(client, sites))
    return status.Status(
        now_ms=time.time_ns() // 1_000_000,
        live=live,
        recent=_try(failures, "the database", _recent),
        active=_try(failures, "the database", status_db.active) or (),
        ready=ready,
        failures=tuple(failures),
    )


def _recent() -> status.Recent:
    found: status.Recent | None = cache.get("console.recent")
    if found is None:
        found = status_db.recent(timezone.now())
        cache.set("console.recent", found, HOUR_S)
    return found


def _try(failures: list[str], what: str, read: Callable[[], T]) -> T | None:
    """What `read` gives, or None with the reason among the failures: the page shows the rest."""
    try:
        return read()
    except (redis.RedisError, DatabaseError, OSError) as error:
        logger.warning("The dashboard cannot read %s: %s", what, error)
        text = f"{what} does not answer"
        if text not in failures:
            failures.append(text)
        return None


@require_safe
def favicon(request: HttpRequest) -> HttpResponseBase:
    """Browsers ask for it on pages that name no icon, such as the admin's."""
    return redirect(static("console/icon.svg"))


@require_safe
def demo_page(request: HttpRequest) -> HttpResponseBase:
    """The widget on the demo site's stream; not found where the demo is off."""
    if not settings.RTAI_DEMO:
        raise Http404
    host = request.get_host()
    # 'self' does not cover WebSockets in every browser.
    sources = {"connect-src": ["'self'", f"ws://{host}", f"wss://{host}"]}
    page: Callable[[HttpRequest], HttpResponseBase] = csp_update(sources)(_demo_page)
    return page(request)


def _demo_page(request: HttpRequest) -> HttpResponse:
    origin = f"{request.scheme}://{request.get_host()}"
    context = {"examples": demo.EXAMPLES, "origin": origin, "operator": _is_operator(request.user)}
    return render(request, "console/demo.html", context)
