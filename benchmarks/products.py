"""The product under load: started for one benchmark, its limits lifted, and watched."""

import contextlib
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


@contextlib.contextmanager
def started(server: str, **environ: str) -> Iterator[Product]:
    """A ready product without rate limits and caps, for the load comes from one address."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(
            Path(folder) / "var", RTAI_SERVER=server, RTAI_LOG_LEVEL="warning", **environ
        ) as product,
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
