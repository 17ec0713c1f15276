"""What the admin checks before it stores the models of assistants."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings

from generation import sealing_cryptography
from generation.faults import Draft, faults
from generation.models import AssistantModelRecord

if TYPE_CHECKING:
    ModelFormBase = forms.ModelForm[AssistantModelRecord]
else:  # At run time Django's classes take no parameter.
    ModelFormBase = forms.ModelForm


class AssistantModelForm(ModelFormBase):
    """The key goes in and never comes out again."""

    api_key = forms.CharField(
        required=False,
        max_length=4_096,
        strip=True,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Stored encrypted and never shown. Empty: the stored one stays with its server.",
    )
    forget_key = forms.BooleanField(required=False, help_text="Deletes the stored key.")

    class Meta:
        model = AssistantModelRecord
        fields = "__all__"

    def clean(self) -> dict[str, Any]:
        """What `generation.faults` finds, where the field is not wrong already."""
        found = super().clean() or self.cleaned_data
        key = found.get("api_key") or ""
        stays = self.instance.sealed_key and not key and not found.get("forget_key")
        draft = Draft(
            backend=found.get("backend") or "",
            base_url=found.get("base_url") or "",
            max_tokens=found.get("max_tokens") or 0,
            context_tokens=found.get("context_tokens") or 0,
            key=key,
            keeps_key_of=self.instance.base_url if stays else None,
        )
        self.forgets = bool(found.get("forget_key")) or not draft.is_server
        for field, what in faults(draft):
            if field not in self.errors:
                self.add_error(field, what)
        return found

    def save(self, commit: bool = True) -> AssistantModelRecord:
        """Seals a new key; what is no server any more loses its own."""
        if self.forgets:
            self.instance.sealed_key = ""
        if key := self.cleaned_data["api_key"]:
            secret = settings.RTAI_SECRETS["django"]
            self.instance.sealed_key = sealing_cryptography.seal(secret, key)
        return super().save(commit)
