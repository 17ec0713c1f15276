"""The table that `make bench` prints."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks import __main__ as bench
from benchmarks import bystanders, connections, products, report
from benchmarks.peers import settings
from benchmarks.peers.socketio_client import SocketIoConnection

MEASURE = "idle connection"


def line(*rows: report.Row) -> str:
    return report.summary(rows).splitlines()[2]


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_both_servers_and_the_peers_stand_in_one_line() -> None:
    found = line(
        report.Row(MEASURE, "24 KiB", "≤ 32 KiB", True, "daphne"),
        report.Row(MEASURE, "25 KiB", "≤ 32 KiB", True, "uvicorn"),
        report.Row(MEASURE, "40 KiB", on="socketio"),
    )

    assert found == "| idle connection | ≤ 32 KiB | 24 KiB | 25 KiB | socketio: 40 KiB | yes |"


def test_where_one_server_misses_the_goal_both_are_named() -> None:
    found = line(
        report.Row(MEASURE, "24 KiB", "", True, "daphne"),
        report.Row(MEASURE, "35 KiB", "", False, "uvicorn"),
    )

    assert found.endswith("| daphne yes; uvicorn **no** |")


def test_what_a_cell_says_cannot_break_the_table() -> None:
    assert line(report.Row(MEASURE, "a|b", on="daphne")).count("|") == 7


def test_a_part_that_fails_gives_a_row_that_says_so() -> None:
    part = bench.Part("no_such_part", ("daphne",), 60, "")

    (row,) = bench.rows_of(part, "daphne", quick=True, left_s=60)
    assert (row.what, row.value, row.met) == ("no_such_part", "failed: ended with 1", False)


def test_a_part_for_which_no_time_is_left_is_not_started() -> None:
    (row,) = bench.rows_of(bench.PARTS[0], "daphne", quick=True, left_s=1)

    assert "no time left" in row.value


def test_all_parts_together_take_20_minutes_at_most() -> None:
    # The last part has what is left, and what it leaves behind is ended after it.
    assert bench.WHOLE_S + bystanders.PATIENCE_S < 20 * 60


def test_a_product_that_runs_already_is_used_where_it_is_what_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {"RTAI_SERVER": "daphne", "RTAI_LOG_LEVEL": "warning", "RTAI_PORT": "1"}
    about = [os.getpid(), {**environ, "RTAI_DATA_DIR": str(tmp_path)}]
    monkeypatch.setenv(products.SHARED, json.dumps(about))

    with products.started("daphne") as product:
        assert (product.port, product.data_dir) == (1, tmp_path)
    assert psutil.pid_exists(product.pid)
    assert products.found(RTAI_SERVER="uvicorn") is None
    monkeypatch.delenv(products.SHARED)
    assert products.found(RTAI_SERVER="daphne") is None


def test_nothing_is_left_of_a_part_whose_parent_was_killed() -> None:
    orphan = "import subprocess, sys; subprocess.Popen(['sleep', '600'], start_new_session=True)"
    with bystanders.marked() as environ:
        subprocess.run([sys.executable, "-c", orphan], env=environ, check=True)
        (left,) = bystanders.living(environ[bystanders.MARK])
        assert left.name() == "sleep"
    assert not lives(left.pid)


def test_nothing_is_left_below_a_part_even_without_its_mark() -> None:
    parent = (
        "import subprocess, time\n"
        "print(subprocess.Popen(['/bin/sleep', '600'], env={}).pid, flush=True)\n"
        "time.sleep(600)"
    )
    with bystanders.marked() as environ:
        command = [sys.executable, "-c", parent]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            child = psutil.Process(int(running.stdout.readline()))
            assert {child, psutil.Process(running.pid)} == set(
                bystanders.living(environ[bystanders.MARK])
            )
            running.kill()
            child.kill()


def test_a_part_that_takes_too_long_leaves_nothing_behind(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    parent = (
        "import pathlib, subprocess, time\n"
        "child = subprocess.Popen(['/bin/sleep', '600'], env={}, start_new_session=True)\n"
        f"pathlib.Path({str(told)!r}).write_text(str(child.pid))\n"
        "time.sleep(600)"
    )

    problem = bench._run([sys.executable, "-c", parent], tmp_path, 3)

    assert problem == "stopped after 3 s"
    assert not lives(int(told.read_text()))


def test_a_run_that_is_broken_off_keeps_the_results_of_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken_off(_: bool) -> Iterator[report.Row]:
        yield report.Row(MEASURE, "24 KiB", on="daphne")
        raise KeyboardInterrupt

    (tmp_path / "table.md").write_text("before")
    monkeypatch.setattr(bench, "measured", broken_off)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--results", str(tmp_path)])

    with pytest.raises(KeyboardInterrupt):
        bench.main()

    assert (tmp_path / "table.md").read_text() == "before"
    assert "24 KiB" in capsys.readouterr().out


def test_processes_without_the_mark_are_left_alone() -> None:
    with bystanders.marked() as environ:
        assert os.getpid() not in [each.pid for each in bystanders.living(environ[bystanders.MARK])]


def test_settings_survive_a_command_line() -> None:
    asked = settings.Settings(2, "asyncio", "h11", "websockets-sansio")

    assert settings.Settings.read(asked.arguments()) == asked


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


def connected(kind: type[connections.Connection]) -> tuple[connections.Connection, Wire]:
    connection, wire = kind(), Wire()
    connection.connection_made(wire)
    connection.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    return connection, wire


def frame(text: bytes, kind: int = connections.TEXT) -> bytes:
    return bytes((0x80 | kind, len(text))) + text


def test_the_load_generator_answers_a_websockets_ping() -> None:
    connection, wire = connected(connections.Connection)
    connection.data_received(frame(b"hello", connections.PING))

    assert wire.written == b"\x8a\x85\0\0\0\0hello"


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_the_load_generator_notices_a_gap_however_bytes_arrive(pieces: int) -> None:
    connection, _ = connected(connections.Connection)
    connection.last = 4
    data = b"".join(frame(b'{"type":"message","offset":%d}' % at) for at in (5, 6, 8))
    for start in range(0, len(data), pieces):
        connection.data_received(data[start : start + pieces])

    assert (connection.frames, connection.problems, connection.last) == (3, 1, 8)


def test_socketios_framing_is_spoken() -> None:
    connection, wire = connected(SocketIoConnection)
    connection.data_received(frame(b"2"))
    for at in (1, 2, 4):
        connection.data_received(frame(b'42["message",{"offset":%d,"text":"x"}]' % at))

    assert wire.written == b"\x81\x81\0\0\0\x003"
    assert (connection.frames, connection.problems) == (3, 1)
