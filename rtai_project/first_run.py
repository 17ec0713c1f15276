"""What an installation starts with, made in the database once and completed at later starts."""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.contrib.auth import get_user_model
from django.db import transaction

from generation.models import AssistantModelRecord, AssistantRecord
from policy import shipped_db
from policy.defaults import DEFAULT_POLICY
from streams import api_keys, limits
from streams.models import ApiKey, RateLimit, Site, Stream

DEMO_SITE = "demo"
DEMO_PUBLIC_KEY = "pk_demo"
FIRST_SITE = "main"
STREAM = "lobby"
ASSISTANT = "Assistant"
ASSISTANT_MODEL = "chat-mini"
SYSTEM_PROMPT = "You are the assistant on this site. Be brief and friendly."
"""Of the kind that chat-mini learnt with: without one, it drifts into talk about films."""
TEMPERATURE, TOP_P, MAX_TOKENS = 0.3, 0.9, 80
"""With these its replies were judged; see `docs/models/chat-mini.md`."""
BOOTSTRAP_KEY = "bootstrap"
ALL_SCOPES = ["*"]
SECRETS_FILE = "first-run.txt"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the operator asked for; an empty password or key is generated."""

    admin_username: str
    admin_password: str
    api_key: str
    demo: bool
    origins: Sequence[str]


@dataclass(frozen=True, slots=True)
class Made:
    """What this run made: None is what was there already."""

    site: Site
    admin_username: str | None
    admin_password: str | None
    api_key: str | None

    @property
    def is_first(self) -> bool:
        """Whether there is something to tell the operator."""
        return self.admin_username is not None or self.api_key is not None


def prepare(wanted: Wanted) -> Made:
    """Completes what a start needs; what exists is left as the operator changed it."""
    with transaction.atomic():
        shipped_db.bring(DEFAULT_POLICY)
        _make_limits()
        site = _make_site(wanted)
        username, password = _make_administrator(wanted)
        return Made(site, username, password, _make_api_key(site, wanted.api_key))


def _make_limits() -> None:
    if RateLimit.objects.exists():
        return
    for name, rate in limits.DEFAULTS.items():
        scope, _, resource = name.partition(".")
        RateLimit.objects.create(scope=scope, resource=resource, rate=rate)


def _make_site(wanted: Wanted) -> Site:
    """The demo site, or, where it is off, the first site of the installation."""
    Site.objects.filter(slug=DEMO_SITE).exclude(active=wanted.demo).update(active=wanted.demo)
    slug = DEMO_SITE if wanted.demo else FIRST_SITE
    site, made = Site.objects.get_or_create(
        slug=slug,
        defaults={
            "name": slug.capitalize(),
            "public_key": DEMO_PUBLIC_KEY if wanted.demo else f"pk_{secrets.token_urlsafe(18)}",
            "allowed_origins": list(wanted.origins),
        },
    )
    if made:
        Stream.objects.create(site=site, name=STREAM)
        site.assistant = _make_assistant()
        site.save(update_fields=["assistant"])
    elif wanted.demo:
        _allow(site, wanted.origins)
    return site


def _make_assistant() -> AssistantRecord:
    """The assistant of the first site, with the small model that ships."""
    model, _ = AssistantModelRecord.objects.get_or_create(
        name=ASSISTANT_MODEL, defaults={"context_tokens": 512, "max_tokens": 128}
    )
    assistant, _ = AssistantRecord.objects.get_or_create(
        name=ASSISTANT,
        defaults={
            "default_model": model,
            "max_tokens": MAX_TOKENS,
            "system_prompt": SYSTEM_PROMPT,
            "temperature": TEMPERATURE,
            "top_p": TOP_P,
        },
    )
    return assistant


def _allow(site: Site, origins: Sequence[str]) -> None:
    """The demo page works on whatever port this start listens on."""
    if missing := [each for each in origins if each not in site.allowed_origins]:
        site.allowed_origins = [*site.allowed_origins, *missing]
        site.save(update_fields=["allowed_origins"])


def _make_administrator(wanted: Wanted) -> tuple[str | None, str | None]:
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None, None
    password = wanted.admin_password or secrets.token_urlsafe(15)
    users.create_superuser(wanted.admin_username, password=password)
    return wanted.admin_username, None if wanted.admin_password else password


def _make_api_key(site: Site, given: str) -> str | None:
    keys = ApiKey.objects.filter(site=site, name=BOOTSTRAP_KEY)
    if given:
        known = ApiKey.objects.filter(digest=api_keys.digest(given)).first()
        if known is not None and (known.site == site or known.name != BOOTSTRAP_KEY):
            return None
        if known is not None:  # The first site was another one before, such as the demo.
            known.delete()
        keys.delete()
    elif keys.exists():
        return None
    key = given or f"rtai_{secrets.token_urlsafe(32)}"
    ApiKey.objects.create(
        site=site,
        name=BOOTSTRAP_KEY,
        prefix=key[:12],
        digest=api_keys.digest(key),
        scopes=ALL_SCOPES,
    )
    return key


def secret_lines(made: Made, given_key: str) -> list[str]:
    """The lines that hold secrets; a value that the operator gave is not repeated."""
    lines = []
    if made.admin_username is not None:
        password = made.admin_password or "as given in RTAI_ADMIN_PASSWORD"
        lines += [f"admin name      {made.admin_username}", f"admin password  {password}"]
    if made.api_key is not None:
        key = "as given in RTAI_API_KEY" if given_key else made.api_key
        lines.append(f"API key         {key}")
    return lines


def place_lines(made: Made, base: str, *, demo: bool) -> list[str]:
    """Where to go, and what to put on a page."""
    snippet = (
        f'<script src="{base}/widget/v1.js" data-site="{made.site.public_key}" '
        f'data-stream="{STREAM}" async></script>'
    )
    pages = [("demo page", "/demo/")] if demo else []
    pages += [("console", "/console/"), ("admin", "/admin/"), ("API docs", "/api/v1/docs")]
    return [
        *(f"{name:<16}{base}{path}" for name, path in pages),
        f"{'widget':<16}{snippet}",
    ]


def write_secrets(data_dir: Path, lines: Sequence[str]) -> Path:
    """Puts the lines where only this user reads them; the file's path."""
    path = data_dir / SECRETS_FILE
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path
