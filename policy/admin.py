"""The admin's pages of policies, and of what was decided by them."""

import time
from typing import TYPE_CHECKING, Any

import redis
from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString

from policy import policies_db, reviews_db
from policy.models import PolicyRecord, ReviewRecord, RuleRecord, VerdictRecord
from policy.policy import Action
from policy.verdict_lists_db import (
    PRIVATE,
    ByFilter,
    LatestPages,
    PlaceFilter,
    SiteFilter,
    StreamFilter,
)
from policy.whys import Piece, labels_of, pieces

if TYPE_CHECKING:
    RuleInlineBase = admin.TabularInline[RuleRecord, PolicyRecord]
    ReviewInlineBase = admin.TabularInline[ReviewRecord, VerdictRecord]
    PolicyBase = admin.ModelAdmin[PolicyRecord]
    VerdictBase = admin.ModelAdmin[VerdictRecord]
    ReviewBase = admin.ModelAdmin[ReviewRecord]
else:  # At run time Django's classes take no parameter.
    RuleInlineBase = ReviewInlineBase = admin.TabularInline
    PolicyBase = VerdictBase = ReviewBase = admin.ModelAdmin


LEFT = "left as they are: what was said in private is neither published nor removed."


class ReadOnly:
    """What happened is looked at, not changed."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RuleInline(RuleInlineBase):
    model = RuleRecord
    extra = 0
    fields = ("name", "plugin", "label", "threshold", "action", "judges", "enabled")


@admin.register(PolicyRecord)
class PolicyAdmin(PolicyBase):
    list_display = ("name", "version", "fail_mode", "rules_count", "is_default")
    fields = ("name", "fail_mode", "version", "is_default")
    readonly_fields = ("version", "is_default")
    inlines = (RuleInline,)
    actions = ("make_default",)

    @admin.display(description="Rules")
    def rules_count(self, record: PolicyRecord) -> int:
        """How many of its rules are enabled."""
        return record.rules.filter(enabled=True).count()

    def has_delete_permission(self, request: HttpRequest, obj: PolicyRecord | None = None) -> bool:
        """The default policy stays: every stream without its own needs it."""
        if obj is not None and obj.is_default:
            return False
        return super().has_delete_permission(request, obj)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> PolicyRecord | None:
        """The policy that a page is about; who changes it waits for a turn and reads it then.

        Django calls this within the transaction of the change.
        """
        if request.method == "POST":
            policies_db.change_alone()
        return super().get_object(request, object_id, from_field)

    @admin.action(description="Make the selected policy the default", permissions=["change"])
    def make_default(self, request: HttpRequest, records: QuerySet[PolicyRecord]) -> None:
        """From now on it judges every stream that names none."""
        if len(records) != 1:
            self.message_user(request, "Choose one policy.", messages.ERROR)
            return
        with transaction.atomic():
            policies_db.change_alone()
            for other in PolicyRecord.objects.filter(is_default=True):
                other.is_default = False
                other.save()
            record = PolicyRecord.objects.get(pk=records[0].pk)
            record.is_default = True
            record.save()
        self.message_user(request, f"{record} is the default.", messages.SUCCESS)


class ReviewInline(ReadOnly, ReviewInlineBase):
    model = ReviewRecord
    extra = 0
    fields = ("created_at", "action", "reviewer", "note")
    readonly_fields = fields


@admin.register(VerdictRecord)
class VerdictAdmin(ReadOnly, VerdictBase):
    list_display = ("said", "decision", "author", "place", "when", "by")
    list_display_links = ("said",)
    list_filter = ("action", ByFilter, PlaceFilter, SiteFilter, StreamFilter)
    paginator = LatestPages
    search_fields = ("=id", "text", "author_id", "author_name")
    show_full_result_count = False
    list_per_page = 50
    actions = ("approve", "block")
    inlines = (ReviewInline,)
    fields = (
        "marked",
        ("action", "by", "policy"),
        "why",
        "named",
        "judged",
        ("site", "stream", "offset"),
        ("author_id", "author_name", "author_kind"),
        ("accepted_at", "decided_at"),
        "id",
        "failed",
    )
    readonly_fields = ("marked", "why", "named", "judged", "failed")

    def has_review_permission(self, request: HttpRequest) -> bool:
        """Deciding otherwise is adding a review."""
        return bool(request.user.has_perm("policy.add_reviewrecord"))

    @admin.display(description="Text")
    def said(self, record: VerdictRecord) -> str:
        """Its beginning."""
        text = " ".join(record.text.split())
        return text[:90] + "…" if len(text) > 90 else text or "-"

    @admin.display(description="Action", ordering="action")
    def decision(self, record: VerdictRecord) -> SafeString:
        """The action as a coloured mark."""
        return format_html('<span class="action" data-action="{0}">{0}</span>', record.action)

    @admin.display(description="Author")
    def author(self, record: VerdictRecord) -> str:
        """The name they had."""
        return record.author_name or record.author_id

    @admin.display(description="Accepted", ordering="id")
    def when(self, record: VerdictRecord) -> str:
        """To the second, in UTC."""
        return f"{record.accepted_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Stream")
    def place(self, record: VerdictRecord) -> str:
        """Site and stream."""
        return f"{record.site}/{record.stream}" if record.stream else f"{record.site}, {PRIVATE}"

    @admin.display(description="Text")
    def marked(self, record: VerdictRecord) -> SafeString:
        """The whole text, with the words marked that drove its scores."""
        found = (_marked(piece) for piece in pieces(record.text, record.highlights))
        return format_html('<div class="said">{}</div>', format_html_join("", "{}", found))

    @admin.display(description="Words")
    def named(self, record: VerdictRecord) -> SafeString | str:
        """The words marked, with the labels that they drove."""
        found = [piece for piece in pieces(record.text, record.highlights) if piece.labels]
        rows = ((piece.text, labels_of(piece.labels)) for piece in found)
        items = format_html_join("", "<li><mark>{}</mark> {}</li>", rows)
        return format_html('<ul class="whys">{}</ul>', items) if found else "-"

    @admin.display(description="Reasons")
    def why(self, record: VerdictRecord) -> SafeString:
        """The rules that fired, and which passage of a long text made them."""
        rows = ((_reason(each, record.text),) for each in record.reasons)
        return format_html('<ul class="whys">{}</ul>', format_html_join("", "<li>{}</li>", rows))

    @admin.display(description="Scores")
    def judged(self, record: VerdictRecord) -> SafeString:
        """Every score, the highest first, and the model versions that gave them."""
        tables = ((_table(record, plugin),) for plugin in sorted(record.scores))
        return format_html_join("", "{}", tables)

    @admin.display(description="Failures")
    def failed(self, record: VerdictRecord) -> str:
        """Plugins that gave no score, and why."""
        return "; ".join(f"{name}: {reason}" for name, reason in record.failures.items()) or "-"

    @admin.action(description="Approve the selected messages", permissions=["review"])
    def approve(self, request: HttpRequest, records: QuerySet[VerdictRecord]) -> None:
        """Those that were not published are published now."""
        self._review(request, records.filter(action__in=("hold", "block")), Action.ALLOW)

    @admin.action(description="Block the selected messages", permissions=["review"])
    def block(self, request: HttpRequest, records: QuerySet[VerdictRecord]) -> None:
        """Those that were published are removed."""
        self._review(request, records.exclude(action="block"), Action.BLOCK)

    def _review(
        self, request: HttpRequest, records: QuerySet[VerdictRecord], action: Action
    ) -> None:
        publisher = import_string(settings.RTAI_PUBLISHER)()
        done, private = 0, records.filter(stream="").count()
        try:
            for record in list(records.exclude(stream="")):
                now_ms = time.time_ns() // 1_000_000
                reviews_db.review(record, action, request.user, publisher, now_ms)  # type: ignore[arg-type]
                done += 1
        except redis.RedisError as error:
            self.message_user(request, f"Redis is away: {error}", messages.ERROR)
        self.message_user(request, f"{done} decided: {action}.", messages.SUCCESS)
        if private:
            self.message_user(request, f"{private} {LEFT}", messages.WARNING)


@admin.register(ReviewRecord)
class ReviewAdmin(ReadOnly, ReviewBase):
    list_display = ("created_at", "action", "reviewer", "verdict", "note")
    list_filter = ("action", "reviewer")
    list_select_related = ("verdict", "reviewer")


def _marked(piece: Piece) -> tuple[SafeString | str]:
    if not piece.labels:
        return (piece.text,)
    return (format_html('<mark title="{}">{}</mark>', labels_of(piece.labels), piece.text),)


def _reason(reason: dict[str, Any], text: str) -> SafeString | str:
    score = f" {reason['score']:.2f}" if "score" in reason else ""
    label = f" ({reason['label']}{score})" if reason.get("label") else ""
    said = f"{reason.get('rule', '')}{label}"
    return _with_passage(said, text, *reason["passage"]) if "passage" in reason else said


def _with_passage(said: str, text: str, start: int, end: int) -> SafeString:
    """With the characters that decided, counted from 1 as people do, and the words to unfold."""
    return format_html(
        "{}<details><summary>characters {}–{} decided</summary>"
        '<div class="said">{}</div></details>',
        said,
        f"{start + 1:,}",
        f"{end:,}",
        text[start:end],
    )


def _table(record: VerdictRecord, plugin: str) -> SafeString:
    scores = sorted(record.scores[plugin].items(), key=lambda each: -each[1])
    row = '<tr><th scope="row">{}</th><td><meter value="{}"></meter></td><td>{}</td></tr>'
    rows = ((label, f"{score:.4f}", f"{score:.3f}") for label, score in scores)
    return format_html(
        '<table class="scores"><caption>{}</caption>{}</table>',
        " · ".join(filter(None, (plugin, record.models_used.get(plugin)))),
        format_html_join("", row, rows),
    )
