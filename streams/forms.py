"""Forms of the admin: what an operator types is checked before it is saved."""

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from streams import origins
from streams.limits import BadLimit, check
from streams.models import ApiKey, Ban, RateLimit, Site
from streams.scopes import SCOPES

if TYPE_CHECKING:
    SiteBase = forms.ModelForm[Site]
    KeyBase = forms.ModelForm[ApiKey]
    LimitBase = forms.ModelForm[RateLimit]
    BanBase = forms.ModelForm[Ban]
else:  # At run time Django's class takes no parameter.
    SiteBase = KeyBase = LimitBase = BanBase = forms.ModelForm


class OriginsField(forms.CharField):
    """A list of origins as lines of text."""

    widget = forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "class": "vLargeTextField"})

    def prepare_value(self, value: Any) -> Any:
        """One line for each origin."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """The lines as a list; raises ValidationError for what no page can come from."""
        lines = [line.strip() for line in str(value or "").splitlines() if line.strip()]
        for line in lines:
            if not origins.is_pattern(line):
                raise ValidationError(
                    "%(line)s is no origin; write such as https://example.org or "
                    "https://*.example.org, without a path.",
                    params={"line": line[:100]},
                )
        return lines

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the lines differ."""
        return bool(self.prepare_value(initial or []) != str(data or "").strip())


class SiteForm(SiteBase):
    allowed_origins = OriginsField(
        required=False,
        help_text="Pages that may embed the widget, one origin a line: https://example.org, "
        "or https://*.example.org for every host below.",
    )

    def save(self, commit: bool = True) -> Site:
        """A new site gets a public key of its own."""
        if not self.instance.public_key:
            self.instance.public_key = f"pk_{secrets.token_urlsafe(18)}"
        return super().save(commit)


class ApiKeyForm(KeyBase):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="* is everything. An area alone may change it, area:read may look. "
        "installation reaches beyond this site.",
    )


class RateLimitForm(LimitBase):
    def clean(self) -> dict[str, Any] | None:
        """The rate must fit the limit's name."""
        found = super().clean() or self.cleaned_data
        scope = found.get("scope", self.instance.scope)
        resource = found.get("resource", self.instance.resource)
        if scope and resource and (rate := found.get("rate")):
            try:
                found["rate"] = str(check(f"{scope}.{resource}", rate))
            except BadLimit as error:
                where = "rate" if "expected" in str(error) else None
                self.add_error(where, f"{error}.")
        return found


class BanForm(BanBase):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "until" in self.fields:
            self.fields["until"].initial = timezone.now() + timedelta(days=1)
