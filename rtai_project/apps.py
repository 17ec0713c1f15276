"""Tells Django about this package."""

from django.apps import AppConfig


class ProjectConfig(AppConfig):
    name = "rtai_project"
    default_auto_field = "django.db.models.BigAutoField"
