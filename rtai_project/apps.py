"""Tells Django about this package and registers its checks."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "rtai_project"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Registers the system checks and the Celery app by importing them."""
        from rtai_project import celery, checks  # noqa: F401
