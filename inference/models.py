"""What the database remembers of model versions."""

from django.db import models


class ModelVersionRecord(models.Model):
    """One immutable, checksummed version of a model, and where it is in its life."""

    class Status(models.TextChoices):
        STAGED = "staged"
        ACTIVE = "active"
        RETIRED = "retired"

    plugin = models.CharField(max_length=64)
    name = models.CharField(max_length=64)
    version = models.CharField(max_length=32)
    digest = models.CharField(max_length=80, help_text="SHA-256 of the manifest, with its prefix.")
    labels = models.JSONField(default=list)
    licence = models.CharField(max_length=64)
    card = models.TextField(blank=True)
    path = models.CharField(max_length=500, help_text="Folder of the manifest and its files.")
    status = models.CharField(max_length=8, choices=Status, default=Status.STAGED)
    created_at = models.DateTimeField(auto_now_add=True)
    activated_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, help_text="Why a worker could not load it.")

    class Meta:
        verbose_name = "model version"
        ordering = ("plugin", "-created_at")
        constraints = (
            models.UniqueConstraint(fields=("name", "version"), name="one_model_version"),
            models.UniqueConstraint(
                fields=("plugin",),
                condition=models.Q(status="active"),
                name="one_active_model_per_plugin",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"
