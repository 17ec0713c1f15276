"""The paths of event streams, taken before Django: streams, tickets and sent messages."""

import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

from django.conf import settings

from api import problems
from api.consumers import EventStream
from api.exchanges_http import Exchange, Receive, Send
from inference import connection_redis
from inference import metrics_prometheus as metrics
from inference.errors import BadFrame, Forbidden, NotFound, Overloaded, RtaiError
from policy.limits_redis import Bucket
from streams import bans_redis, events, frames, lifespan, limits_redis, tickets_redis
from streams.clients import Client
from streams.directory import StreamInfo
from streams.entry import message_of
from streams.session_store import LEASE_MS
from streams.verdict_frames import rfc3339, verdict_frame

Application: TypeAlias = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
PREFIX = "/sse/v1/"
AWAY_MS = 2_000
RECENT = re.compile("[0-9]{1,3}")


class EventPaths:
    """Answers the paths of event streams; everything else goes to the application behind it."""

    def __init__(self, otherwise: Application) -> None:
        self._otherwise = otherwise

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serves one request."""
        if not scope["path"].startswith(PREFIX):
            await self._otherwise(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send, await lifespan.gateway())
        try:
            await _serve(exchange)
        except RtaiError as error:
            metrics.ERRORS.labels(error.code).inc()
            await exchange.refuse(_problem(error), {})


async def _serve(exchange: Exchange) -> None:
    method, path = exchange.scope["method"], exchange.scope["path"].removeprefix(PREFIX)
    for pattern, allowed, serve in _ROUTES:
        if (found := re.fullmatch(pattern, path)) is None:
            continue
        if method == "OPTIONS":
            await exchange.preflight()
        elif method == allowed:
            await serve(exchange, *found.groups())
        else:
            wrong = problems.problem(405, "unsupported", f"This path takes {allowed}.")
            await exchange.refuse(wrong, {"Allow": f"{allowed}, OPTIONS"})
        return
    raise NotFound("There is no such path.")


def _problem(error: RtaiError) -> dict[str, Any]:
    """The document of an error, with a time to come back wherever that may help."""
    found = problems.of_error(error)
    if isinstance(error, BadFrame):
        found = problems.problem(400, error.code, error.detail)
    waits = {429: LEASE_MS, 503: AWAY_MS}
    if found["status"] in waits:
        found.setdefault("retry_after_ms", waits[found["status"]])
    return found


async def _issue_ticket(exchange: Exchange) -> None:
    """`{"ticket", "expires_at"}`, once for one stream."""
    claims = await exchange.claims()
    client, url = exchange.client(claims), settings.RTAI_REDIS_URL
    bucket = Bucket("address.connections", f"ticket:{client.site}:{client.address}")
    async with exchange.gateway.ports.gate:
        await limits_redis.take_async(url, [bucket])
        await _refuse_banned(client)
        ticket, ends = await tickets_redis.issue(url, claims)
    await exchange.answer(200, {"ticket": ticket, "expires_at": rfc3339(int(ends * 1000))})


async def _stream(exchange: Exchange, name: str) -> None:
    """The stream, until one side ends it."""
    asked = _asked(exchange, name)
    client = exchange.client(await exchange.claims(tickets=True), uuid4().hex)
    _granted(exchange, client, name)
    await EventStream(exchange, client, asked).serve()


async def _send(exchange: Exchange, name: str) -> None:
    """Stores a message: `{"ref", "text"}` → 202 `{"id", "ref", "stream", "verdict"?}`."""
    client = exchange.client(await exchange.claims())
    stream = _granted(exchange, client, name)
    frame = _frame(await exchange.body(), name)
    message = message_of(client, stream, frame.ref, frame.text, time.time_ns() // 1_000_000)
    ports = exchange.gateway.ports
    if exchange.gateway.draining:
        raise Overloaded("Shutting down.", retry_after_ms=1_000)
    async with ports.gate:
        await _refuse_banned(client)
        admitted = await ports.admission.admit(message, client)
    metrics.FRAMES_RECEIVED.labels("message").inc()
    found: dict[str, Any] = {"id": admitted.id, "ref": frame.ref, "stream": name}
    if (stored := admitted.verdict) is not None:
        moderator = client.is_moderator
        found["verdict"] = verdict_frame(frame.ref, admitted.id, stored, moderator=moderator)
    await exchange.answer(202, found)


_ROUTES: list[tuple[str, str, Callable[..., Awaitable[None]]]] = [
    ("tickets", "POST", _issue_ticket),
    ("streams/([^/]+)", "GET", _stream),
    ("streams/([^/]+)/messages", "POST", _send),
]


def _asked(exchange: Exchange, name: str) -> frames.Subscribe:
    """What to begin with; a position counts before `recent`; raises BadFrame."""
    query = exchange.query()
    id = exchange.header(b"last-event-id") or query.get("last_event_id", "")
    recent = query.get("recent", "0")
    if RECENT.fullmatch(recent) is None or int(recent) > frames.MAX_RECENT:
        raise BadFrame(f"'recent' is a number from 0 to {frames.MAX_RECENT}.")
    if (since := events.position(id)) is not None:
        return frames.Subscribe(name, since)
    return frames.Subscribe(name, None, int(recent))


def _granted(exchange: Exchange, client: Client, name: str) -> StreamInfo:
    if not client.may_use(name):
        raise Forbidden("The token does not grant this stream.")
    if (found := exchange.gateway.ports.directory.stream(client.site, name)) is None:
        raise NotFound("There is no such stream.")
    return found


def _frame(body: Mapping[str, Any], stream: str) -> frames.Send:
    """The body as the frame it would be on a WebSocket; raises RtaiError."""
    named = {name: body[name] for name in ("ref", "text") if isinstance(body.get(name), str)}
    # The library that writes our own frames refuses what a client may well send.
    whole = {**named, "type": "message", "stream": stream}
    (found,) = frames.parse(json.dumps(whole, ensure_ascii=False))
    if isinstance(found, frames.Refused):
        raise found.error
    assert isinstance(found, frames.Send)  # noqa: S101 (its type stands above)
    return found


async def _refuse_banned(client: Client) -> None:
    redis_client = connection_redis.async_client(settings.RTAI_REDIS_URL)
    await bans_redis.refuse_banned(redis_client, client, time.time_ns() // 1_000_000)
