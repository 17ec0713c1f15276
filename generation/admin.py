"""The admin's pages of assistants and their models."""

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from generation.forms import AssistantModelForm
from generation.models import AssistantModelRecord, AssistantRecord

if TYPE_CHECKING:
    ModelBase = admin.ModelAdmin[AssistantModelRecord]
    AssistantBase = admin.ModelAdmin[AssistantRecord]
else:  # At run time Django's classes take no parameter.
    ModelBase = AssistantBase = admin.ModelAdmin


@admin.register(AssistantModelRecord)
class AssistantModelAdmin(ModelBase):
    form = AssistantModelForm
    list_display = ("name", "backend", "base_url", "has_key", "context_tokens", "enabled")
    list_filter = ("backend", "enabled")
    search_fields = ("name", "upstream_model")
    fields = (
        ("name", "enabled"),
        "backend",
        ("base_url", "upstream_model"),
        ("api_key", "forget_key"),
        ("context_tokens", "max_tokens"),
        ("connect_timeout_s", "token_timeout_s"),
    )

    @admin.display(description="Key", boolean=True)
    def has_key(self, record: AssistantModelRecord) -> bool:
        """Whether a key is stored."""
        return record.has_key

    def has_delete_permission(
        self, request: HttpRequest, obj: AssistantModelRecord | None = None
    ) -> bool:
        """An assistant's default model stays; switch it off instead."""
        if obj is not None and obj.default_of.exists():
            return False
        return super().has_delete_permission(request, obj)


@admin.register(AssistantRecord)
class AssistantAdmin(AssistantBase):
    list_display = ("name", "trigger", "default_model", "used_by", "enabled")
    list_filter = ("trigger", "enabled")
    list_select_related = ("default_model",)
    filter_horizontal = ("other_models",)
    search_fields = ("name",)
    fields = (
        ("name", "enabled"),
        "system_prompt",
        "trigger",
        "default_model",
        "other_models",
        ("memory_tokens", "max_tokens"),
        ("temperature", "top_p"),
        "wait_s",
    )

    @admin.display(description="Used by")
    def used_by(self, record: AssistantRecord) -> str:
        """The first of the sites and streams that chose it."""
        names = [str(each) for each in record.site_set.all()[:3]]
        names += [str(each) for each in record.stream_set.all()[:3]]
        return ", ".join(names) or "-"
