"""Brings the database's tables up to date, one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.utils import DatabaseError, Error

from rtai_project.startup import StartError

ADVISORY_LOCK = 0x52544149
"""`RTAI`: the PostgreSQL lock that is held while tables change."""


def pending() -> list[str]:
    """Names of the migrations that the database has not seen; raises DatabaseError."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def migrate() -> None:
    """Applies what is pending; raises StartError where the database does not let us.

    The data folder's lock keeps a second `up` off SQLite, a lock in the database itself
    keeps other machines off PostgreSQL.
    """
    try:
        with _alone():
            if pending():
                call_command("migrate", interactive=False, verbosity=0)
    except (DatabaseError, Error, OSError) as error:
        raise StartError(_problem(error)) from None


@contextmanager
def _alone() -> Iterator[None]:
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _problem(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    if "full" in reason:
        return f"RTAI_DATA_DIR or RTAI_DATABASE_URL: the disk is full ({reason}); free some space."
    return (
        f"RTAI_DATABASE_URL names a database that cannot be used ({reason}); allowed is the URL "
        "of a PostgreSQL database that this user owns."
    )
