"""The whole product, without limits, for tests that break parts of it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import ROOT, Product, running


@pytest.fixture
def product(tmp_path: Path) -> Iterator[Product]:
    """Runs with one worker, and with a plugin that can be put to sleep."""
    plugins = "plugins.moderation.Moderation,plugins.sentiment.Sentiment,tests.faults.sleepy.Sleepy"
    with running(tmp_path / "var", RTAI_DEMO="1", RTAI_PLUGINS=plugins) as product:
        command = [sys.executable, "manage.py", "limits", "off", "--all"]
        subprocess.run(command, cwd=ROOT, env=product.environ, check=True)
        yield product
