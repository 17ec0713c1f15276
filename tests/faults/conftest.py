"""The whole product, without limits, for tests that break parts of it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import Server, postgresql_server
from tests.product import ROOT, Product, running

PLUGINS = "plugins.moderation.Moderation,plugins.sentiment.Sentiment,tests.faults.sleepy.Sleepy"


@contextlib.contextmanager
def unlimited(data_dir: Path, **environ: str) -> Iterator[Product]:
    """Runs with one worker, without limits, and with a plugin that can be put to sleep."""
    with running(data_dir, RTAI_DEMO="1", RTAI_PLUGINS=PLUGINS, **environ) as product:
        command = [sys.executable, "manage.py", "limits", "off", "--all"]
        subprocess.run(command, cwd=ROOT, env=product.environ, check=True)
        yield product


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """On the embedded Valkey and SQLite."""
    with unlimited(tmp_path / "var") as product:
        yield product


@pytest.fixture
def database() -> Iterator[Server]:
    """A PostgreSQL that can be stopped and started."""
    with postgresql_server() as server:
        yield server


@pytest.fixture
def product_on_postgresql(tmp_path: Path, database: Server) -> Iterator[Product]:
    """On a PostgreSQL of its own."""
    with unlimited(tmp_path / "var", RTAI_DATABASE_URL=database.url) as product:
        yield product
