"""How the list of verdicts is narrowed down, at a cost that does not grow with the table."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

from policy.messages import MODERATOR
from policy.models import VerdictRecord

if TYPE_CHECKING:
    Pages = Paginator[VerdictRecord]
else:  # At run time Django's class takes no parameter.
    Pages = Paginator

Admin = admin.ModelAdmin
PRIVATE = "private"
"""Where a text was said that was no message."""
CHOICES = 100
COUNTED = 20_000
"""So many rows are counted, and can be paged through; filters and the search find the others."""


class PlaceFilter(admin.SimpleListFilter):
    """Messages of streams, or what was said in private."""

    title = "place"
    parameter_name = "place"

    def lookups(
        self, request: HttpRequest, model_admin: "Admin[VerdictRecord]"
    ) -> list[tuple[str, str]]:
        """The two there are."""
        return [("streams", "in streams"), (PRIVATE, "in private")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[VerdictRecord]
    ) -> QuerySet[VerdictRecord]:
        """Those of the place chosen; any other word is no choice."""
        if self.value() == PRIVATE:
            return queryset.filter(stream="")
        return queryset.exclude(stream="") if self.value() == "streams" else queryset


class FieldFilter(admin.SimpleListFilter):
    """Rows with one value of a field of the same name."""

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[VerdictRecord]
    ) -> QuerySet[VerdictRecord]:
        """Those with the value chosen."""
        chosen = self.value()
        return queryset.filter(**{str(self.parameter_name): chosen}) if chosen else queryset


class ByFilter(FieldFilter):
    """Who decided."""

    title = parameter_name = "by"

    def lookups(
        self, request: HttpRequest, model_admin: "Admin[VerdictRecord]"
    ) -> list[tuple[str, str]]:
        """The two there are: the table is not asked."""
        return [(name, name) for name in ("policy", MODERATOR)]


class SiteFilter(FieldFilter):
    """Sites that messages came from."""

    title = parameter_name = "site"

    def lookups(
        self, request: HttpRequest, model_admin: "Admin[VerdictRecord]"
    ) -> list[tuple[str, str]]:
        """Their slugs, as far as there is room."""
        return [(name, name) for name in _values(VerdictRecord.objects.all(), "site")]


class StreamFilter(FieldFilter):
    """Streams of the site that was chosen."""

    title = parameter_name = "stream"

    def lookups(
        self, request: HttpRequest, model_admin: "Admin[VerdictRecord]"
    ) -> list[tuple[str, str]]:
        """Their names, as far as there is room; none before a site is chosen."""
        if not (site := request.GET.get(SiteFilter.parameter_name)):
            return []
        found = _values(VerdictRecord.objects.filter(site=site), "stream")
        return [(name, name) for name in found if name]


class LatestPages(Pages):
    """Pages of the latest rows."""

    @cached_property
    def count(self) -> int:
        """How many rows there are, as far as they are counted."""
        rows: QuerySet[VerdictRecord] = self.object_list  # type: ignore[assignment]
        return rows[:COUNTED].count()


def _values(rows: QuerySet[VerdictRecord], field: str) -> Iterator[str]:
    """The values of an indexed field, each found behind the one before."""
    last: str | None = None
    for _ in range(CHOICES):
        behind = rows if last is None else rows.filter(**{f"{field}__gt": last})
        last = behind.order_by(field).values_list(field, flat=True).first()
        if last is None:
            return
        yield last
