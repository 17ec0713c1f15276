"""The admin's page of model versions: what runs where, and which version is active."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from inference import versions, versions_db
from inference.errors import RtaiError
from inference.management.commands.models import loaded_by
from inference.models import ModelVersionRecord

Change = Callable[[str, str], ModelVersionRecord]

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[ModelVersionRecord]
else:  # At run time Django's class takes no parameter.
    Admin = admin.ModelAdmin


@admin.register(ModelVersionRecord)
class ModelVersionAdmin(Admin):
    list_display = ("__str__", "plugin", "status", "runs_on", "licence", "activated_at", "problem")
    list_filter = ("plugin", "status")
    search_fields = ("name", "version", "digest")
    actions = ("activate", "retire")
    fields = (
        "name",
        "version",
        "plugin",
        "status",
        "runs_on",
        "last_error",
        "digest",
        "labels",
        "licence",
        "card_text",
        "path",
        "created_at",
        "activated_at",
        "retired_at",
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Versions come from the command line: their files must be on this machine."""
        return False

    def has_delete_permission(
        self, request: HttpRequest, obj: ModelVersionRecord | None = None
    ) -> bool:
        """Stored scores name their version, so that none is ever forgotten."""
        return False

    @admin.display(description="Loaded by")
    def runs_on(self, record: ModelVersionRecord) -> str:
        """Live workers that have it loaded, with the execution provider."""
        return ", ".join(loaded_by().get(versions.tag(str(record), record.digest), [])) or "-"

    @admin.display(description="Card")
    def card_text(self, record: ModelVersionRecord) -> SafeString:
        """The card as plain text."""
        return format_html("<pre>{}</pre>", record.card)

    @admin.display(description="Problem")
    def problem(self, record: ModelVersionRecord) -> str:
        """Why a worker could not load it."""
        return record.last_error[:120]

    @admin.action(description="Activate the selected version", permissions=["change"])
    def activate(self, request: HttpRequest, records: QuerySet[ModelVersionRecord]) -> None:
        """Makes each selected version its plugin's active one."""
        self._change(request, records, versions_db.activate)

    @admin.action(description="Retire the selected versions", permissions=["change"])
    def retire(self, request: HttpRequest, records: QuerySet[ModelVersionRecord]) -> None:
        """Ends the selected versions' lives."""
        self._change(request, records, versions_db.retire)

    def _change(
        self, request: HttpRequest, records: QuerySet[ModelVersionRecord], change: Change
    ) -> None:
        for record in list(records):
            try:
                changed = change(str(record), settings.RTAI_REDIS_URL)
            except (RtaiError, OSError) as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.log_change(request, changed, f"Now {changed.status}.")
                self.message_user(
                    request, f"Version {changed} is {changed.status}.", messages.SUCCESS
                )
