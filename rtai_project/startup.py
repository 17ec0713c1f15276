"""What is checked before anything starts, each failure told in one line that names its variable."""

import contextlib
import errno
import fcntl
import os
import resource
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, cast

from rtai_project import environment

LOCK = "up.lock"
LOCK_WAIT_S = 12.0
"""Longer than the guardian of a killed predecessor needs to end its children."""
ROOM_BYTES = 1024 * 1024


class StartError(Exception):
    """Why the start was refused: one line for the operator."""


def check_data_dir(data_dir: Path) -> None:
    """Makes the data folder and proves that it can be written and has room; raises StartError."""
    probe = data_dir / f".probe-{os.getpid()}"
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.closing(_open_private(probe)) as file:
            file.write(b"\0" * ROOM_BYTES)
            file.flush()
        probe.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
        raise StartError(_data_dir_problem(data_dir, error)) from None


def _open_private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _data_dir_problem(data_dir: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"RTAI_DATA_DIR is {str(data_dir)!r}: the disk is full; free some space."
    return (
        f"RTAI_DATA_DIR is {str(data_dir)!r}: it cannot be written ({error.strerror}); "
        "allowed is a folder that can be written."
    )


def lock(data_dir: Path, *, wait_s: float = LOCK_WAIT_S) -> IO[bytes]:
    """Holds the data folder for one `up` until the file is closed; raises StartError.

    A killed predecessor's guardian keeps the lock until its children are gone: that is waited for.
    """
    file = (data_dir / LOCK).open("a+b")
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline or _holder_lives(file):
                problem = _locked(data_dir, file)
                file.close()
                raise StartError(problem) from None
            time.sleep(0.05)
        else:
            break
    file.truncate(0)
    file.write(str(os.getpid()).encode())
    file.flush()
    return file


def _holder(file: IO[bytes]) -> int:
    file.seek(0)
    return int(file.read() or b"0")


def _holder_lives(file: IO[bytes]) -> bool:
    try:
        os.kill(pid := _holder(file), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid > 0


def _locked(data_dir: Path, file: IO[bytes]) -> str:
    return (
        f"RTAI_DATA_DIR is {str(data_dir)!r}: another `up` (process {_holder(file)}) uses it; "
        "stop that one or name another folder."
    )


def check_port(host: str, port: int) -> None:
    """Proves that the address can be listened on; raises StartError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StartError(
            f"RTAI_HOST is {host!r}: {error.strerror}; allowed is a host name or address "
            "of this machine."
        ) from None
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise StartError(_port_problem(host, port, error)) from None


def _port_problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"RTAI_PORT is {port}: another process listens there; choose a free port."
    if error.errno == errno.EACCES:
        return f"RTAI_PORT is {port}: this user may not listen there; choose one from 1024."
    return (
        f"RTAI_HOST is {host!r}: {error.strerror}; allowed is a host name or address "
        "of this machine."
    )


def raise_file_limit() -> int:
    """Raises the limit on open files as far as this process may; the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = hard if hard != resource.RLIM_INFINITY else 1_048_576
    for limit in (wanted, 65_536, 10_240):
        if limit <= soft != resource.RLIM_INFINITY:
            break
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def own_origins(host: str, port: int) -> list[str]:
    """Origins under which pages of this server are opened, as browsers spell them."""
    shown = f"[{host}]" if ":" in host else host
    hosts = dict.fromkeys((shown, "localhost", "127.0.0.1"))
    return [f"http://{each}:{port}" if port != 80 else f"http://{each}" for each in hosts]


def base_url(host: str, port: int) -> str:
    """Where this server is reached from its own machine, without a slash at the end."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host)  # noqa: S104 - compared, not bound
    return f"http://{reached or (f'[{host}]' if ':' in host else host)}:{port}"


def check(environ: Mapping[str, str] = os.environ) -> None:
    """Every variable's value and the data folder; raises BadVariable or StartError."""
    environment.check(environ)
    check_data_dir(cast(Path, environment.read("RTAI_DATA_DIR", environ)))
