"""The whole product, without limits, for tests that break parts of it."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import storyteller
from tests.browser.storyteller import Storyteller
from tests.faults.readers import telling_product
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


@pytest.fixture(scope="module")
def teller() -> Iterator[Storyteller]:
    """The model server of `telling`."""
    with storyteller.telling() as made:
        yield made


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def telling(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, teller: Storyteller
) -> Iterator[Product]:
    """Its assistant tells what the teller does; one for all tests of a server and file, for what
    they kill is started again."""
    data_dir = tmp_path_factory.mktemp(request.param) / "var"
    with telling_product(data_dir, teller, request.param) as product:
        yield product
