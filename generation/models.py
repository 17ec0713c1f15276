"""What the database remembers of assistants and of the models they use."""

from django.core.validators import (
    MaxValueValidator,
    MinValueValidator,
    RegexValidator,
    URLValidator,
)
from django.db import models

from generation.assistants import Backend, Trigger

MODEL_NAME = RegexValidator(
    r"\A[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}\Z",
    "A model's name has 1 to 100 of the characters A–Z a–z 0–9 . _ : / - and starts with one of "
    "the first 62.",
)
ASSISTANT_NAME = RegexValidator(
    r"\A\w{1,32}\Z", "An assistant's name is one word of at most 32 letters, digits and _."
)
MAX_TOKENS = 131_072


class AssistantModelRecord(models.Model):
    """A model that assistants may use, by the name that programs ask for."""

    name = models.CharField(max_length=100, unique=True, validators=[MODEL_NAME])
    backend = models.CharField(
        max_length=6,
        choices=[
            (Backend.LOCAL, "the plugin llm"),
            (Backend.OPENAI, "an OpenAI-compatible server"),
        ],
        default=Backend.LOCAL,
    )
    base_url = models.CharField(
        max_length=300,
        blank=True,
        validators=[URLValidator(schemes=("http", "https"))],
        help_text="Such as http://127.0.0.1:8080/v1; only for a server.",
    )
    upstream_model = models.CharField(
        max_length=200, blank=True, help_text="The server's own name of the model."
    )
    sealed_key = models.TextField(blank=True, editable=False)
    context_tokens = models.PositiveIntegerField(
        default=4096, validators=[MinValueValidator(64), MaxValueValidator(MAX_TOKENS)]
    )
    max_tokens = models.PositiveIntegerField(
        default=512,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_TOKENS)],
        help_text="No answer has more.",
    )
    connect_timeout_s = models.FloatField(
        default=5.0, validators=[MinValueValidator(0.1), MaxValueValidator(60)]
    )
    token_timeout_s = models.FloatField(
        default=30.0,
        validators=[MinValueValidator(0.1), MaxValueValidator(600)],
        help_text="How long the next token may take.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        verbose_name = "assistant model"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    @property
    def has_key(self) -> bool:
        """Whether a key is stored, which is all that anybody is told of it."""
        return bool(self.sealed_key)


class AssistantRecord(models.Model):
    """How an assistant behaves; sites and streams choose one."""

    name = models.CharField(
        max_length=32,
        unique=True,
        validators=[ASSISTANT_NAME],
        help_text="Its messages carry this name, and @name calls it.",
    )
    system_prompt = models.TextField(
        blank=True, max_length=20_000, help_text="Goes before every conversation."
    )
    trigger = models.CharField(
        max_length=7,
        choices=[
            (Trigger.ALWAYS, "answers every message of a stream"),
            (Trigger.MENTION, "answers messages that mention it"),
            (Trigger.NEVER, "answers only those who ask it directly"),
        ],
        default=Trigger.MENTION,
    )
    other_models = models.ManyToManyField(
        AssistantModelRecord,
        related_name="assistants",
        blank=True,
        help_text="What clients may choose beside the default model.",
    )
    default_model = models.ForeignKey(
        AssistantModelRecord, on_delete=models.PROTECT, related_name="default_of"
    )
    memory_tokens = models.PositiveIntegerField(
        default=256,
        validators=[MaxValueValidator(MAX_TOKENS)],
        help_text="So much of what was said before goes with a message; 0 for no memory.",
    )
    max_tokens = models.PositiveIntegerField(
        default=256, validators=[MinValueValidator(1), MaxValueValidator(MAX_TOKENS)]
    )
    temperature = models.FloatField(
        default=0.7, validators=[MinValueValidator(0), MaxValueValidator(2)]
    )
    top_p = models.FloatField(
        "top-p",
        default=1.0,
        validators=[MinValueValidator(0.01), MaxValueValidator(1)],
        help_text="Of the likeliest words, so large a share is drawn from; 1 for all.",
    )
    wait_s = models.PositiveIntegerField(
        "wait (seconds)",
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
        help_text="So many seconds an answer may wait for a worker.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        verbose_name = "assistant"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
