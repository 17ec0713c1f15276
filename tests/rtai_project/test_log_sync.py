"""What Valkey answered survives its death, and its log reaches the disk without it."""

import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rtai_project import log_sync, server_valkey
from rtai_project.log_sync import LogSync, sync
from tests.product import until


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder; a socket in it needs a short path."""
    made = Path(tempfile.mkdtemp(prefix="rtai-v-"))
    yield made
    shutil.rmtree(made)


def started(folder: Path) -> "subprocess.Popen[bytes]":
    command = server_valkey.program(folder, folder / "s").command
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until(lambda: server_valkey.is_ready(folder / "s"))
    return process


def write_until_it_dies(folder: Path, answered: list[int]) -> None:
    client = redis.Redis(unix_socket_path=str(folder / "s"))
    number = 0
    try:
        while True:
            number += 1
            client.set("last", number)
            answered.append(number)
    except redis.RedisError:
        client.close()


def test_what_was_answered_is_there_after_a_kill(folder: Path) -> None:
    process, answered = started(folder), list[int]()
    writer = threading.Thread(target=write_until_it_dies, args=(folder, answered))
    writer.start()
    until(lambda: len(answered) > 500)
    process.kill()
    process.wait()
    writer.join()

    process = started(folder)
    with redis.Redis(unix_socket_path=str(folder / "s")) as client:
        assert int(str(client.get("last"), "ascii")) >= answered[-1]
    process.kill()
    process.wait()


def test_valkey_writes_before_it_answers_and_leaves_the_disk_to_us(folder: Path) -> None:
    process = started(folder)
    with redis.Redis(unix_socket_path=str(folder / "s")) as client:
        assert client.config_get("append*")["appendfsync"] == "no"
        client.set("some", "thing")
    assert sync(server_valkey.files(folder) / server_valkey.LOG) >= 1
    process.kill()
    process.wait()


def test_a_folder_that_is_not_there_yet_is_no_fault(tmp_path: Path) -> None:
    assert sync(tmp_path / "log") == 0


def test_other_files_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = list[str]()

    def note(file: int) -> None:
        synced.append(Path(f"/proc/self/fd/{file}").readlink().name)

    monkeypatch.setattr(os, "fsync", note)
    for name in ("appendonly.aof.1.base.aof", "appendonly.aof.2.incr.aof", "appendonly.manifest"):
        (tmp_path / name).write_text("x")
    assert sync(tmp_path) == 2
    assert sorted(synced) == ["appendonly.aof.1.base.aof", "appendonly.aof.2.incr.aof"]


def test_a_disk_that_fails_is_told_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries, stopping = list[int](), threading.Event()

    def fail(file: int) -> None:
        tries.append(file)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(log_sync, "EVERY_S", 0.01)
    (tmp_path / "a.aof").write_text("x")
    thread = LogSync(tmp_path, stopping)
    thread.start()
    until(lambda: len(tries) > 3)
    stopping.set()
    thread.join()

    told = [record for record in caplog.records if record.name == log_sync.__name__]
    assert [record.getMessage() for record in told] == [
        "Valkey's log cannot be brought to the disk: [Errno 5] Input/output error"
    ]
