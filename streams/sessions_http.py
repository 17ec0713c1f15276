"""The admin's page of live sessions: who is connected, and who shall not be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import redis
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from inference import connection_redis
from streams import bans_db, bans_redis
from streams.models import SessionView, Site
from streams.session_store import Session
from streams.sessions_redis import LiveSessions

if TYPE_CHECKING:
    Base = admin.ModelAdmin[SessionView]
else:  # At run time Django's class takes no parameter.
    Base = admin.ModelAdmin

PAGE = 50
DISCONNECT = "disconnect"
DURATIONS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}
ACTIONS = (
    (DISCONNECT, "Disconnect"),
    *(
        (f"{kind}:{name}", f"Ban the {kind} for {said}")
        for kind in (bans_redis.USER, bans_redis.ADDRESS)
        for name, said in (("1h", "1 hour"), ("24h", "24 hours"), ("7d", "7 days"))
    ),
)


class SessionAdmin(Base):
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Sessions come from clients."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They are ended by an action of this page."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """The list is all there is: sessions have no table."""
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="streams_sessionview_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, or an action on it."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        asked = _asked(request)
        live = LiveSessions(connection_redis.client(settings.RTAI_REDIS_URL))
        if request.method == "POST":
            self._act(request, live)
            return HttpResponseRedirect(f"{request.path}?{urlencode(asked)}")
        context = {
            **self.admin_site.each_context(request),
            "title": "Live sessions",
            "opts": self.opts,
            "asked": asked,
            "sites": list(Site.objects.order_by("slug").values_list("slug", flat=True)),
            "actions": ACTIONS if self._may_act(request) else (),
            **_found(request, live, asked),
        }
        return TemplateResponse(request, "admin/streams/sessionview/change_list.html", context)

    def _may_act(self, request: HttpRequest) -> bool:
        return self.has_change_permission(request)

    def _act(self, request: HttpRequest, live: LiveSessions) -> None:
        action = request.POST.get("action", "")
        if not self._may_act(request) or action not in dict(ACTIONS):
            raise PermissionDenied
        if action != DISCONNECT and not request.user.has_perm("streams.add_ban"):
            raise PermissionDenied
        try:
            chosen = [live.get(id[:64]) for id in request.POST.getlist("session")[:PAGE]]
            sessions = [session for session in chosen if session is not None]
            said = (
                _disconnect(sessions) if action == DISCONNECT else _ban(request, sessions, action)
            )
        except redis.RedisError as error:
            self.message_user(request, f"Redis is away: {error}", messages.ERROR)
        else:
            level = messages.SUCCESS if sessions else messages.WARNING
            self.message_user(request, said if sessions else "No live session was chosen.", level)


def _asked(request: HttpRequest) -> dict[str, str]:
    first = Site.objects.filter(active=True).order_by("slug").first()
    site = request.GET.get("site") or (first.slug if first else "")
    return {"site": site[:32]} | {
        name: value[:128]
        for name in ("stream", "user", "page")
        if (value := request.GET.get(name, "").strip())
    }


def _found(request: HttpRequest, live: LiveSessions, asked: dict[str, str]) -> dict[str, Any]:
    page = max(1, int(asked["page"])) if asked.get("page", "").isdecimal() else 1
    try:
        total, found = _read(live, asked, page)
        if page > _last(total):
            page = _last(total)
            total, found = _read(live, asked, page)
    except redis.RedisError:
        return {"away": True, "total": 0, "rows": []}
    others = {name: value for name, value in asked.items() if name != "page"}
    last = max(page, _last(total))  # Sessions may have ended in between.
    return {
        "total": total,
        "rows": [_row(session) for session in found],
        "page": page,
        "last": last,
        "before": urlencode(others | {"page": page - 1}) if page > 1 else "",
        "after": urlencode(others | {"page": page + 1}) if page < last else "",
    }


def _read(live: LiveSessions, asked: dict[str, str], page: int) -> tuple[int, list[Session]]:
    return live.page(
        asked["site"],
        stream=asked.get("stream", ""),
        user=asked.get("user", ""),
        offset=(page - 1) * PAGE,
        size=PAGE,
    )


def _last(total: int) -> int:
    return max(1, -(-total // PAGE))


def _row(session: Session) -> dict[str, Any]:
    since = datetime.fromtimestamp(session.connected_ms / 1000, UTC)
    return {
        "session": session,
        "since": since,
        "fresh": datetime.now(UTC) - since < timedelta(minutes=1),
        "address": session.address[:8],
    }


def _disconnect(sessions: Sequence[Session]) -> str:
    client = connection_redis.client(settings.RTAI_REDIS_URL)
    for session in sessions:
        bans_redis.close_sessions(client, session.site, bans_redis.SESSION, session.id)
    return f"Disconnected {_count(len(sessions), 'session')}."


def _ban(request: HttpRequest, sessions: Sequence[Session], action: str) -> str:
    kind, _, name = action.partition(":")
    subjects = {
        (session.site, session.user if kind == bans_redis.USER else session.address)
        for session in sessions
    }
    for site, subject in subjects:
        reason = f"From the list of live sessions, by {request.user}"[:200]
        bans_db.ban(site, kind, subject, DURATIONS[name], reason)
    return f"Banned {_count(len(subjects), kind)} for {name}."


def _count(number: int, what: str) -> str:
    plural = what + ("es" if what.endswith("s") else "s")
    return f"{number} {what if number == 1 else plural}"
