"""Tokens, live sessions and bans, over REST."""

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import redis
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Status

from api.callers_http import caller_of, directory, must
from api.schemas_http import (
    BanBody,
    BanOut,
    SessionFilter,
    SessionOut,
    SessionPage,
    TokenBody,
    TokenOut,
)
from api.views import token_answer
from api.visitors import clean_name
from inference import connection_redis
from inference.errors import BadFrame
from streams import bans_db, bans_redis
from streams.models import Ban
from streams.session_store import Session
from streams.sessions_redis import LiveSessions
from streams.tokens import Claims

router = Router()


@router.post("/tokens", response=TokenOut, tags=["tokens"])
def create_token(request: HttpRequest, body: TokenBody) -> dict[str, str]:
    """A token with which one of your users may connect."""
    caller = caller_of(request)
    caller.require("tokens")
    if "*" in body.streams and len(body.streams) > 1:
        raise BadFrame("'*' is all streams and stands alone.")
    return token_answer(
        Claims(
            site=caller.site,
            sub=body.sub,
            name=clean_name(body.name),
            streams=tuple(body.streams),
            role=body.role,
            exp=int(time.time()) + body.ttl_s,
        )
    )


def _client() -> "redis.Redis":
    return connection_redis.client(settings.RTAI_REDIS_URL)


@router.get("/sessions", response=SessionPage, tags=["sessions"])
def list_sessions(
    request: HttpRequest, asked: Annotated[SessionFilter, Query()]
) -> dict[str, object]:
    """Who is connected now, the latest first."""
    caller = caller_of(request)
    caller.require("sessions:read")
    total, found = LiveSessions(_client()).page(
        caller.site_or(asked.site),
        stream=asked.stream,
        user=asked.user,
        offset=asked.offset,
        size=asked.limit,
    )
    return {"total": total, "sessions": [_shown(each) for each in found]}


@router.get("/sessions/{id}", response=SessionOut, tags=["sessions"])
def get_session(request: HttpRequest, id: str) -> SessionOut:
    """One live session."""
    caller = caller_of(request)
    caller.require("sessions:read")
    return _shown(_session(request, id))


@router.delete("/sessions/{id}", response={204: None}, tags=["sessions"])
def disconnect(request: HttpRequest, id: str) -> Status[None]:
    """Closes a session; its client does not reconnect by itself."""
    caller = caller_of(request)
    caller.require("sessions")
    session = _session(request, id)
    bans_redis.close_sessions(_client(), session.site, bans_redis.SESSION, session.id)
    return Status(204, None)


@router.get("/bans", response=list[BanOut], tags=["bans"])
def list_bans(request: HttpRequest, site: str = "") -> list[BanOut]:
    """Bans that are not over, the longest first."""
    caller = caller_of(request)
    caller.require("bans:read")
    rows = Ban.objects.filter(site_id=caller.site_or(site), until__gt=timezone.now())
    return [_ban(row) for row in rows]


@router.post("/bans", response={201: BanOut}, tags=["bans"])
def create_ban(request: HttpRequest, body: BanBody) -> Status[BanOut]:
    """Bans a user or an address, and closes what they have open."""
    caller = caller_of(request)
    caller.require("bans")
    site = caller.site_or(body.site)
    must(directory().site(site), f"site {site!r}")
    duration = timedelta(seconds=body.seconds)
    return Status(201, _ban(bans_db.ban(site, body.kind, body.subject, duration, body.reason)))


@router.delete("/bans/{id}", response={204: None}, tags=["bans"])
def delete_ban(request: HttpRequest, id: int) -> Status[None]:
    """Lifts a ban."""
    caller = caller_of(request)
    caller.require("bans")
    row = must(Ban.objects.filter(pk=id).first(), f"ban {id}")
    caller.site_or(row.site_id)
    row.delete()
    return Status(204, None)


def _session(request: HttpRequest, id: str) -> Session:
    found = must(LiveSessions(_client()).get(id[:64]), f"session {id!r}")
    caller_of(request).site_or(found.site)
    return found


def _shown(session: Session) -> SessionOut:
    return SessionOut(
        **{
            name: getattr(session, name)
            for name in ("id", "site", "user", "name", "role", "address", "messages")
        },
        last_verdict=session.last_verdict,
        streams=list(session.streams),
        connected_at=datetime.fromtimestamp(session.connected_ms / 1000, UTC),
    )


def _ban(row: Ban) -> BanOut:
    return BanOut(
        id=row.pk,
        site=row.site_id,
        kind=row.kind,
        subject=row.subject,
        until=row.until,
        reason=row.reason,
    )
