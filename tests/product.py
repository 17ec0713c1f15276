"""The whole product as a child process, for tests that want the real thing."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
READY_S = 90


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def until(condition: Callable[[], object], within_s: float = 30, what: str = "") -> None:
    """Waits for a condition; raises AssertionError where it does not come."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"Not within {within_s} s: {what or condition}"
        time.sleep(0.05)


class Product:
    """One run of `manage.py up`."""

    def __init__(self, data_dir: Path, environ: Mapping[str, str]) -> None:
        self.port = int(environ["RTAI_PORT"])
        self.data_dir = data_dir
        self.environ = dict(environ)
        self.log = data_dir.with_name(data_dir.name + ".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "up"],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.pid = self.process.pid

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def output(self) -> str:
        """Everything it printed so far."""
        return self.log.read_text(errors="replace")

    def wait_ready(self, within_s: float = READY_S) -> None:
        """Waits for the line that says so."""
        try:
            until(lambda: f"ready {self.url}/" in self.output() or self._dead(), within_s)
        finally:
            if self._dead():
                raise AssertionError(f"`up` ended early:\n{self.output()[-4000:]}")

    def is_ready(self) -> bool:
        """Whether /readyz says so now."""
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
        return False

    def children(self, word: str) -> list[psutil.Process]:
        """Living processes below `up` whose command line has this word."""
        found = []
        for child in psutil.Process(self.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if word in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def stop(self) -> int:
        """Asks it to stop and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=40)

    def _dead(self) -> bool:
        return self.process.poll() is not None


@contextlib.contextmanager
def running(data_dir: Path, **environ: str) -> Iterator[Product]:
    """A ready product with a data folder of its own, stopped at the end."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("RTAI_")}
    inherited.pop("DJANGO_SETTINGS_MODULE", None)
    defaults = {
        "RTAI_DATA_DIR": str(data_dir),
        "RTAI_PORT": str(free_port()),
        "RTAI_WORKERS": "1",
        "RTAI_GENERATION_WORKERS": "0",
        "PYTHONUNBUFFERED": "1",
    }
    product = Product(data_dir, {**inherited, **defaults, **environ})
    try:
        product.wait_ready()
        yield product
        assert product.stop() == 0, product.output()[-4000:]
    finally:
        product.process.kill()
        product.process.wait()
