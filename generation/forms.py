"""What the admin checks before it stores the models of assistants."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings

from generation import sealing_cryptography
from generation.assistants import Backend
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
        help_text="Stored encrypted and never shown. Empty: the stored one stays.",
    )
    forget_key = forms.BooleanField(required=False, help_text="Deletes the stored key.")

    class Meta:
        model = AssistantModelRecord
        fields = "__all__"

    def clean(self) -> dict[str, Any]:
        """A server needs an address; our own plugin has none; a key needs ASCII for its header."""
        found = super().clean() or self.cleaned_data
        is_server, url = found.get("backend") == Backend.OPENAI, found.get("base_url")
        if is_server and not url and "base_url" not in self.errors:
            self.add_error("base_url", "A server needs its address.")
        if not is_server and (url or found.get("api_key")):
            self.add_error("backend", "The plugin llm takes no address and no key.")
        if not (key := found.get("api_key") or "").isprintable() or not key.isascii():
            self.add_error("api_key", "A key has printable ASCII characters only.")
        if (found.get("max_tokens") or 0) >= (found.get("context_tokens") or 0) > 0:
            self.add_error("max_tokens", "An answer must leave room for the question.")
        return found

    def save(self, commit: bool = True) -> AssistantModelRecord:
        """Seals a new key."""
        if self.cleaned_data["forget_key"]:
            self.instance.sealed_key = ""
        if key := self.cleaned_data["api_key"]:
            secret = settings.RTAI_SECRETS["django"]
            self.instance.sealed_key = sealing_cryptography.seal(secret, key)
        return super().save(commit)
