"""The admin's pages of sites, streams, keys, limits and bans."""

import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html

from streams import api_keys, sessions_http
from streams.forms import ApiKeyForm, BanForm, RateLimitForm, SiteForm
from streams.models import ApiKey, Ban, RateLimit, SessionView, Site, Stream

if TYPE_CHECKING:
    SiteBase = admin.ModelAdmin[Site]
    StreamBase = admin.ModelAdmin[Stream]
    KeyBase = admin.ModelAdmin[ApiKey]
    LimitBase = admin.ModelAdmin[RateLimit]
    BanBase = admin.ModelAdmin[Ban]
else:  # At run time Django's classes take no parameter.
    SiteBase = StreamBase = KeyBase = LimitBase = BanBase = admin.ModelAdmin


@admin.register(Site)
class SiteAdmin(SiteBase):
    form = SiteForm
    list_display = ("name", "slug", "public_key", "origins", "active")
    list_filter = ("active",)
    search_fields = ("slug", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> tuple[str, ...]:
        """What other programs rely on stays as it is."""
        known = ("public_key", "slug") if obj else ("public_key",)
        return (*known, *self._links(request, obj))

    def get_fields(self, request: HttpRequest, obj: Site | None = None) -> tuple[str, ...]:
        """What a site is, and the way to its streams: it may have thousands."""
        own = ("slug", "name", "public_key", "allowed_origins", "assistant", "active")
        return (*own, *self._links(request, obj))

    def _links(self, request: HttpRequest, site: Site | None) -> tuple[str, ...]:
        """Those that this operator may follow."""
        streams = self.admin_site.get_model_admin(Stream)
        may_see = site and streams.has_view_or_change_permission(request)
        may_add = site and streams.has_add_permission(request)
        return (("its_streams",) if may_see else ()) + (("another_stream",) if may_add else ())

    @admin.display(description="Streams")
    def its_streams(self, site: Site) -> str:
        """Their list, with how many there are."""
        query = urlencode({"site__slug__exact": site.pk})
        address = f"{reverse('admin:streams_stream_changelist')}?{query}"
        return format_html('<a href="{}">{} in all</a>', address, site.streams.count())

    @admin.display(description="Another stream")
    def another_stream(self, site: Site) -> str:
        """A form in which the site is chosen already."""
        address = f"{reverse('admin:streams_stream_add')}?{urlencode({'site': site.pk})}"
        return format_html('<a href="{}">Add a stream</a>', address)

    @admin.display(description="Allowed origins")
    def origins(self, site: Site) -> str:
        """The first of them."""
        first, more = site.allowed_origins[:2], len(site.allowed_origins) - 2
        return ", ".join(first) + (f" and {more} more" if more > 0 else "") or "-"


@admin.register(Stream)
class StreamAdmin(StreamBase):
    list_display = ("name", "site", "policy", "deadline_ms", "history_frames", "active")
    list_filter = ("site", "active", "policy")
    list_select_related = ("site", "policy")
    search_fields = ("name",)


@admin.register(ApiKey)
class ApiKeyAdmin(KeyBase):
    form = ApiKeyForm
    list_display = ("name", "site", "starts_with", "may", "last_used_at", "state")
    list_filter = ("site",)
    search_fields = ("name", "prefix")
    fields = ("site", "name", "scopes", "expires_at")
    actions = ("revoke",)

    def get_readonly_fields(
        self, request: HttpRequest, obj: ApiKey | None = None
    ) -> tuple[str, ...]:
        """A key stays with its site."""
        return ("site", "starts_with", "created_at", "last_used_at", "revoked_at") if obj else ()

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """What is known of a key, which is never the key itself."""
        known = ("starts_with", "created_at", "last_used_at", "revoked_at") if obj else ()
        return ("site", "name", "scopes", "expires_at", *known)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        """A new key is made here, and only its hash is stored."""
        if not change:
            key = f"rtai_{secrets.token_urlsafe(32)}"
            obj.prefix, obj.digest = key[:12], api_keys.digest(key)
            request.new_api_key = key  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Shows the key, once: neither a message nor a page that can be loaded again holds it."""
        context = {
            **self.admin_site.each_context(request),
            "title": "API key created",
            "opts": self.opts,
            "row": obj,
            "key": getattr(request, "new_api_key", ""),
        }
        response = TemplateResponse(request, "admin/streams/apikey/created.html", context)
        add_never_cache_headers(response)
        return response

    @admin.display(description="Starts with", ordering="prefix")
    def starts_with(self, row: ApiKey) -> str:
        """Its first characters."""
        return f"{row.prefix}…"

    @admin.display(description="May use")
    def may(self, row: ApiKey) -> str:
        """Its scopes."""
        return ", ".join(map(str, row.scopes)) or "-"

    @admin.display(description="Valid", boolean=True)
    def state(self, row: ApiKey) -> bool:
        """Whether it is neither revoked nor over."""
        over = row.expires_at is not None and row.expires_at <= timezone.now()
        return row.revoked_at is None and not over

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        """From now on they are refused."""
        count = rows.filter(revoked_at=None).update(revoked_at=timezone.now())
        self.message_user(request, f"{count} revoked.")


@admin.register(RateLimit)
class RateLimitAdmin(LimitBase):
    form = RateLimitForm
    list_display = ("__str__", "rate", "enabled")
    list_editable = ("rate", "enabled")
    list_filter = ("resource", "scope")
    list_per_page = 50
    actions = ("lift", "enforce")

    def get_readonly_fields(
        self, request: HttpRequest, obj: RateLimit | None = None
    ) -> tuple[str, ...]:
        """A limit's name is what it is."""
        return ("scope", "resource") if obj else ()

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Rates are checked in the list too."""
        return RateLimitForm

    @admin.action(description="Lift the selected limits", permissions=["change"])
    def lift(self, request: HttpRequest, rows: QuerySet[RateLimit]) -> None:
        """Their rates stay stored."""
        self._enable(rows, enabled=False)

    @admin.action(description="Enforce the selected limits", permissions=["change"])
    def enforce(self, request: HttpRequest, rows: QuerySet[RateLimit]) -> None:
        """From the next frame on."""
        self._enable(rows, enabled=True)

    def _enable(self, rows: QuerySet[RateLimit], *, enabled: bool) -> None:
        for row in rows:
            row.enabled = enabled
            row.save()


@admin.register(Ban)
class BanAdmin(BanBase):
    form = BanForm
    list_display = ("subject", "kind", "site", "until", "in_force", "reason")
    list_filter = ("site", "kind")
    search_fields = ("subject", "reason")

    @admin.display(description="In force", boolean=True)
    def in_force(self, row: Ban) -> bool:
        """Whether it is not over."""
        return row.until > timezone.now()


admin.site.register(SessionView, sessions_http.SessionAdmin)
