"""The product under load: started for one benchmark or shared by several, and watched."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from inference.connection_redis import embedded_url
from rtai_project import keyring
from streams import tokens_jwt
from streams.tokens import Claims
from tests.product import ROOT, Product, running

SITE, STREAM = "demo", "lobby"
SHARED = "BENCHMARK_PRODUCT"
"""Where a benchmark learns of a product that runs already: its process and environment, as JSON."""


class Shared(Product):
    """A product that somebody else started, and will stop."""

    def __init__(self, pid: int, environ: dict[str, str]) -> None:
        self.pid, self.environ = pid, environ
        self.port, self.data_dir = int(environ["RTAI_PORT"]), Path(environ["RTAI_DATA_DIR"])


@contextlib.contextmanager
def shared(server: str) -> Iterator[None]:
    """A product that every benchmark started meanwhile uses, where it wants nothing else."""
    with started(server, RTAI_GENERATION_WORKERS="1") as product:
        os.environ[SHARED] = json.dumps([product.pid, product.environ])
        try:
            yield
        finally:
            del os.environ[SHARED]


def found(**wanted: str) -> Product | None:
    """The product that runs already, if it was started so."""
    pid, environ = json.loads(os.environ.get(SHARED, "[0, {}]"))
    return Shared(pid, environ) if wanted.items() <= environ.items() else None


@contextlib.contextmanager
def started(server: str, **environ: str) -> Iterator[Product]:
    """A ready product without rate limits and caps, for the load comes from one address."""
    wanted = {"RTAI_SERVER": server, "RTAI_LOG_LEVEL": "warning", **environ}
    if (product := found(**wanted)) is not None:
        yield product
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "var", **wanted) as product,
    ):
        command = [sys.executable, "manage.py", "limits", "off", "--all"]
        subprocess.run(
            command, cwd=ROOT, env=product.environ, check=True, stdout=subprocess.DEVNULL
        )
        yield product


def tokens(product: Product, count: int, first: int = 0) -> list[str]:
    """A token of ten minutes for each of so many users."""
    secret = keyring.load(product.data_dir)["tokens"]
    ends = int(time.time()) + 595
    return [
        tokens_jwt.mint(secret, Claims(SITE, f"user-{n}", f"User {n}", (STREAM,), "member", ends))
        for n in range(first, first + count)
    ]


def redis_url(product: Product) -> str:
    """Where the product's Valkey listens."""
    return embedded_url(product.data_dir)


def gateway(product: Product) -> psutil.Process:
    """The process that holds the connections."""
    (found,) = product.children("rtai_project.server_")
    return found


def resident(process: psutil.Process) -> int:
    """Bytes of memory in use; pages shared with others count once, here."""
    return int(process.memory_info().rss)


def cpu_s(product: Product) -> float:
    """Seconds of CPU that the gateway has used so far."""
    found = gateway(product).cpu_times()
    return float(found.user + found.system)
