"""What the database remembers of sites, their streams and keys, limits and bans."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

STREAM_NAME = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}\Z",
    "A stream's name has 1 to 100 of the characters A–Z a–z 0–9 _ . : - and starts with one of "
    "the first 62.",
)
AT_LEAST_ONE = MinValueValidator(1)


class Site(models.Model):
    """A web site that embeds the widget and owns streams."""

    slug = models.SlugField(primary_key=True, max_length=32)
    name = models.CharField(max_length=100)
    public_key = models.CharField(max_length=64, unique=True)
    allowed_origins = models.JSONField(
        default=list,
        blank=True,
        help_text='Exact origins such as "https://example.org", or "https://*.example.org".',
    )
    assistant = models.ForeignKey(
        "generation.AssistantRecord",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        help_text="Answers in all streams that choose none of their own.",
    )
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug


class Stream(models.Model):
    """A named live feed of a site, to which sessions attach."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="streams")
    name = models.CharField(max_length=100, validators=[STREAM_NAME])
    policy = models.ForeignKey(
        "policy.PolicyRecord",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        help_text="Empty: the default policy.",
    )
    assistant = models.ForeignKey(
        "generation.AssistantRecord",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        help_text="Empty: the site's assistant, if it has one.",
    )
    deadline_ms = models.PositiveIntegerField(
        default=10_000, help_text="A message not judged by then is decided by the fail mode."
    )
    history_frames = models.PositiveIntegerField(default=2_000, validators=[AT_LEAST_ONE])
    history_s = models.PositiveIntegerField(default=600, validators=[AT_LEAST_ONE])
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("site", "name")
        constraints = (
            models.UniqueConstraint(fields=("site", "name"), name="one_stream_of_a_name"),
        )

    def __str__(self) -> str:
        return f"{self.site_id}/{self.name}"


class ApiKey(models.Model):
    """A secret key of a site's own programs; only its hash is stored."""

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=16, db_index=True, help_text="The key's first characters.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API key"
        ordering = ("site", "name")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class RateLimit(models.Model):
    """A limit on how fast (`user.messages` at `20/10s burst 40`) or how many at once.

    A rate without a period (`20`) is a cap: `open_connections`, `open_generations`,
    `waiting_generations` and `sockets` take nothing else.
    `work` counts tokens of the messages' texts, at least 16 for each; `tokens` those of prompts
    and answers, when a generation ends.
    """

    class Resource(models.TextChoices):
        MESSAGES = "messages"
        WORK = "work"
        CONNECTIONS = "connections"
        OPEN_CONNECTIONS = "open_connections"
        GENERATIONS = "generations"
        OPEN_GENERATIONS = "open_generations"
        WAITING_GENERATIONS = "waiting_generations"
        TOKENS = "tokens"
        ACCEPTS = "accepts"
        SOCKETS = "sockets"
        SIGN_INS = "sign_ins"

    class Scope(models.TextChoices):
        SITE = "site"
        STREAM = "stream"
        USER = "user"
        SESSION = "session"
        ADDRESS = "address"
        API_KEY = "api_key"
        PROCESS = "process"
        ALL = "all"

    scope = models.CharField(max_length=8, choices=Scope)
    resource = models.CharField(max_length=20, choices=Resource)
    rate = models.CharField(
        max_length=40,
        help_text="Such as 20/10s or 600/1m burst 50; a number alone for what is open or waits.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        verbose_name = "rate limit"
        ordering = ("scope", "resource")
        constraints = (
            models.UniqueConstraint(fields=("scope", "resource"), name="one_limit_of_a_name"),
        )

    def __str__(self) -> str:
        return f"{self.scope}.{self.resource}"


class Ban(models.Model):
    """A user or an address that may not connect to a site until a time."""

    class Kind(models.TextChoices):
        USER = "user"
        ADDRESS = "address"

    site = models.ForeignKey(Site, on_delete=models.CASCADE, related_name="bans")
    kind = models.CharField(max_length=7, choices=Kind)
    subject = models.CharField(max_length=128, help_text="A user's id, or an address's keyed hash.")
    until = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-until",)
        constraints = (
            models.UniqueConstraint(fields=("site", "kind", "subject"), name="one_ban_a_subject"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} of {self.site_id}"


class SessionView(models.Model):
    """The admin's place for live sessions, which Redis holds; it has no table."""

    class Meta:
        managed = False
        verbose_name = "session"
        default_permissions = ("view", "change")

    def __str__(self) -> str:
        return "live sessions"
