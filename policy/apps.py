"""Tells Django about this package."""

from django.apps import AppConfig


class PolicyConfig(AppConfig):
    name = "policy"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connects what saving does, and what a worker does beside judging."""
        from policy import signals, workers_celery  # noqa: F401
