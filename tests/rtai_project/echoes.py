"""The small application of `echo` on either server, as a process, and its clients."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.rtai_project.waiting import free_port, wait_until


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[str]
    port: int
    server: str

    def connect(self, path: str = "/", **options: Any) -> ClientConnection:
        uri = f"ws://127.0.0.1:{self.port}{path}"
        options = {"compression": None, **options}
        client: ClientConnection = connect(uri, proxy=None, **options)
        return client

    def get(self, headers: dict[str, str] | None = None, path: str = "/") -> httpx.Response:
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(url, headers=headers, timeout=5, trust_env=False)

    def state(self, headers: dict[str, str] | None = None, path: str = "/") -> dict[str, Any]:
        found: dict[str, Any] = self.get(headers, path).json()
        return found

    def dial(self) -> socket.socket:
        """A TCP connection, and no more."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@contextmanager
def serve(
    server: str, proxies: str = "", body_s: float | None = None, **limits: str
) -> Iterator[Served]:
    """The server; limits are named as `address_sockets="2"`."""
    port = free_port()
    rates = {name.replace("_", ".", 1): rate for name, rate in limits.items()}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.rtai_project.echo", server, str(port), proxies,
         json.dumps(rates), str(body_s or "")],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        wait_until(lambda: _listens(port), "the server listens")
        yield Served(process, port, server)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
