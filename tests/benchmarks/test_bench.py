"""The quick form of `make bench`, so that the benchmark itself keeps running."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import PARTS, runs
from benchmarks.report import SERVERS
from tests.product import ROOT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]
WRONG = re.compile(
    r"(\d+) errors\b|\blost (\d+) of\b|(\d+) out of order|^(\d+), (\d+), (\d+) of \d+ messages"
)
"""Where a row says how much went wrong."""
NOTHING = "0, 0, 0"


def test_every_part_gives_its_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--results", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=800)

    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row for row in rows if row["value"].startswith("failed")] == []
    assert [row for row in rows if row["goal"] == NOTHING and not row["met"]] == []
    counted = [row for row in rows if row["on"] in SERVERS and WRONG.search(row["value"])]
    assert [row for row in counted if went_wrong(row["value"])] == []
    assert len({row["what"] for row in counted}) == 5
    shares = [row["value"] for row in counted if "out of order" in row["value"]]
    assert [value for value in shares if not value.startswith("100.00%")] == []
    assert {row["on"] for row in rows} >= {server for _, server in runs(quick=True)}
    assert len({row["what"] for row in rows}) >= len(PARTS)
    assert "| on Daphne | on uvicorn |" in (tmp_path / "table.md").read_text()


def went_wrong(value: str) -> int:
    """How much went wrong, whatever the machine's speed."""
    return sum(int(each or 0) for found in WRONG.findall(value) for each in found)


@pytest.mark.parametrize(
    ("value", "count"),
    [
        ("12/s, 3 errors; from the storm's start p50 9 ms", 3),
        ("0.1 MiB, cut off after 1.0 s; its neighbour lost 2 of 9 frames", 2),
        ("1, 0, 4 of 900 messages (3 × gateway; 0 not recovered)", 5),
        ("99.00%, 7 out of order; p50 3 ms, p99 9 ms", 7),
        ("0 errors, 9, 9 MiB: drift +0.1%; opened at up to 9/s", 0),
    ],
)
def test_what_went_wrong_is_read_out_of_a_row(value: str, count: int) -> None:
    assert WRONG.search(value)
    assert went_wrong(value) == count
