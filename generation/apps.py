"""Tells Django about this package."""

from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connects what saving does."""
        from generation import signals  # noqa: F401
