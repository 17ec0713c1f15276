"""The quick form of `make bench`, so that the benchmark itself keeps running."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS, runs
from tests.product import ROOT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]


def test_every_part_gives_its_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--results", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=800)

    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row for row in rows if row["value"].startswith("failed")] == []
    assert {row["on"] for row in rows} >= {server for _, server in runs(quick=True)}
    assert len({row["what"] for row in rows}) >= len(PARTS)
    assert "| on Daphne | on uvicorn |" in (tmp_path / "table.md").read_text()
