"""Health and metrics, for probes and Prometheus."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from inference import metrics_prometheus as metrics
from streams import gauges_redis, lifespan


@require_safe
async def healthz(request: HttpRequest) -> HttpResponse:
    """Alive: this process answers."""
    return _uncached(JsonResponse({"alive": True}))


@require_safe
async def readyz(request: HttpRequest) -> HttpResponse:
    """Able to judge a message now; 503 and the reason otherwise."""
    try:
        answer = await (await lifespan.gateway()).readiness.answer()
    except Exception as error:
        return _uncached(JsonResponse({"ready": False, "reason": str(error)}, status=503))
    found = {"ready": answer.ready} | ({"reason": answer.reason} if answer.reason else {})
    return _uncached(JsonResponse(found, status=200 if answer.ready else 503))


@require_safe
async def prometheus(request: HttpRequest) -> HttpResponse:
    """Metrics of all processes."""
    body = await lifespan.in_thread(_exposition)
    return _uncached(HttpResponse(body, content_type=metrics.CONTENT_TYPE))


def _exposition() -> bytes:
    gauges_redis.measure(settings.RTAI_REDIS_URL)
    return metrics.exposition()


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
