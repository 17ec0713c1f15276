"""What the database remembers of policies, judged messages and people's reviews."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from policy.rule_checks import doubt

ACTIONS = [(action, action) for action in ("allow", "flag", "hold", "block")]
JUDGES = [(who, who) for who in ("everybody", "people", "assistants")]


class PolicyRecord(models.Model):
    """A named set of rules; `version` rises with every change to it or its rules."""

    name = models.SlugField(unique=True, max_length=64)
    version = models.PositiveIntegerField(default=1, editable=False)
    fail_mode = models.CharField(
        max_length=5,
        choices=ACTIONS,
        default="hold",
        help_text="What happens to a message that no model judged before its deadline.",
    )
    is_default = models.BooleanField(
        default=False, help_text="Judges every stream that names no policy of its own."
    )
    shipped_digest = models.CharField(
        max_length=64,
        blank=True,
        default="",
        editable=False,
        help_text="What the product itself last wrote here; empty if it never did.",
    )

    class Meta:
        verbose_name = "policy"
        verbose_name_plural = "policies"
        ordering = ("name",)
        constraints = (
            models.UniqueConstraint(
                fields=("is_default",),
                condition=models.Q(is_default=True),
                name="one_default_policy",
            ),
        )

    def __str__(self) -> str:
        return self.name


class RuleRecord(models.Model):
    """One threshold: when `plugin` scores `label` at `threshold` or above, take `action`."""

    policy = models.ForeignKey(PolicyRecord, on_delete=models.CASCADE, related_name="rules")
    name = models.SlugField(max_length=64, help_text="The author of a message sees this name.")
    plugin = models.SlugField(max_length=64)
    label = models.SlugField(max_length=64)
    threshold = models.FloatField(validators=[MinValueValidator(0), MaxValueValidator(1)])
    action = models.CharField(max_length=5, choices=ACTIONS[1:])
    judges = models.CharField(
        max_length=10,
        choices=JUDGES,
        default="everybody",
        help_text="Whose texts it judges; people are users and a site's own programs.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        verbose_name = "rule"
        ordering = ("policy", "name")
        constraints = (
            models.UniqueConstraint(fields=("policy", "name"), name="one_rule_of_a_name"),
        )

    def __str__(self) -> str:
        return f"{self.name}: {self.plugin}.{self.label} ≥ {self.threshold} → {self.action}"

    def clean(self) -> None:
        """Raises ValidationError for a label that can never be scored."""
        if wrong := doubt(self.plugin, self.label, settings.RTAI_PLUGINS):
            raise ValidationError({"label": wrong})


class VerdictRecord(models.Model):
    """A message and what was decided about it; written behind the live path.

    Without a stream it was no message, but a question to an assistant or an answer in private: such
    a text is kept only where it was stopped, and nothing can be published of it.
    """

    id = models.CharField(primary_key=True, max_length=32)
    site = models.CharField(max_length=32)
    stream = models.CharField(max_length=100)
    author_id = models.CharField(max_length=128)
    author_name = models.CharField(max_length=64, blank=True)
    author_kind = models.CharField(
        max_length=9, default="user", help_text="user, assistant or service"
    )
    ref = models.CharField(max_length=64, blank=True, help_text="The client's own id.")
    text = models.TextField()
    accepted_at = models.DateTimeField()
    decided_at = models.DateTimeField()
    action = models.CharField(max_length=5, choices=ACTIONS)
    by = models.CharField(max_length=9, default="policy", help_text="policy or moderator")
    policy = models.CharField(max_length=80, blank=True)
    reasons = models.JSONField(default=list)
    scores = models.JSONField(default=dict)
    models_used = models.JSONField(default=dict, verbose_name="models")
    failures = models.JSONField(default=dict)
    highlights = models.JSONField(
        default=list, help_text="The words that drove the scores: label, start, end and weight."
    )
    offset = models.BigIntegerField(null=True, blank=True, help_text="Empty if never published.")

    class Meta:
        verbose_name = "verdict"
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("site", "stream", "-id")),
            models.Index(fields=("action", "-id")),
        )

    def __str__(self) -> str:
        return f"{self.action} {self.id}"


class ReviewRecord(models.Model):
    """A person's decision on a verdict."""

    verdict = models.ForeignKey(VerdictRecord, on_delete=models.CASCADE, related_name="reviews")
    action = models.CharField(max_length=5, choices=ACTIONS)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "review"
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.action} {self.verdict_id} by {self.reviewer_id}"
