"""Runs every benchmark, prints one table and writes it to `benchmarks/results/`: `make bench`.

Each runs in a process of its own, one after the other; takes about 15 minutes.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import report
from tests.product import ROOT

RESULTS = ROOT / "benchmarks" / "results"
RUNS = (
    ("end_to_end", ("daphne", "uvicorn")),
    ("tutorial", ("daphne",)),
    ("fan_out", ("daphne", "uvicorn")),
    ("storm", ("daphne", "uvicorn")),
    ("bad_clients", ("daphne", "uvicorn")),
    ("idle", ("daphne", "uvicorn")),
)


def rows_of(name: str, server: str) -> Iterator[report.Row]:
    """The rows of one benchmark, or one that says that it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, "-m", f"benchmarks.{name}", "--server", server]
        done = subprocess.run([*command, "--json", str(path)], cwd=ROOT, check=False)
        if done.returncode:
            yield report.Row(f"{name} on {server}", f"failed with {done.returncode}", "", False)
            return
        for row in json.loads(path.read_text()):
            yield report.Row(**row)


def main() -> None:
    """Runs all of them."""
    rows = [row for name, servers in RUNS for server in servers for row in rows_of(name, server)]
    text = f"Machine: {report.machine()}.\n\n{report.table(rows)}\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "table.md").write_text(text)
    print(f"\n{text}")


if __name__ == "__main__":
    main()
