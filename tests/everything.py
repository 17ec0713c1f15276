"""`make test`: style, types, then all tests on SQLite and those that touch the database again on
PostgreSQL; the tests of whole processes run beside them."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from tests.postgresql import postgresql

ROOT = Path(__file__).resolve().parent.parent
CHECKS = (
    ("style", ("ruff", "check", ".")),
    ("shape", ("ruff", "format", "--check", ".")),
    ("types", ("mypy", ".")),
)


def main() -> int:
    """Runs every part, even after one failed; 0 only if all passed."""
    results = [_run(name, command) for name, command in CHECKS]
    if "--checks" not in sys.argv:
        # Tests of whole processes mostly wait: they run beside all others.
        with ThreadPoolExecutor(1) as beside, tempfile.TemporaryFile() as output:
            command = ("pytest", "-m", "processes")
            waiting = beside.submit(_run, "tests of processes", command, output=output)
            results.append(_run("tests on SQLite", ("pytest", "-m", "not processes")))
            results.append(_on_postgresql())
            results.append(waiting.result())
            output.seek(0)
            print(output.read().decode(errors="replace"), flush=True)
    return 0 if all(results) else 1


def _run(
    name: str,
    command: tuple[str, ...],
    environ: Mapping[str, str] | None = None,
    output: IO[bytes] | None = None,
) -> bool:
    print(f"--- {name}", flush=True)
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
        stdout=output,
        stderr=output,
        check=False,
    )
    took = f"{time.monotonic() - started:.0f} s"
    print(f"--- {name}: {'passed' if done.returncode == 0 else 'FAILED'} in {took}", flush=True)
    return done.returncode == 0


def _on_postgresql() -> bool:
    with postgresql() as url:
        command = ("pytest", "-m", "database")
        return _run("tests on PostgreSQL", command, {"RTAI_TEST_DATABASE_URL": url})


if __name__ == "__main__":
    sys.exit(main())
