"""A database that programs without a server can use."""

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from inference import versions_db


def prepare() -> None:
    """Makes the tables, and registers the shipped models where none is active or one is gone."""
    if "inference_modelversionrecord" not in connection.introspection.table_names():
        call_command("migrate", interactive=False, verbosity=0)
    if not versions_db.active_versions() or versions_db.any_is_lost():
        versions_db.register_shipped(settings.RTAI_MODEL_DIRS, settings.RTAI_REDIS_URL)
