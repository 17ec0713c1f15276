"""What stops a start is told in one line that names the variable."""

import os
import resource
import socket
from pathlib import Path

import pytest

from rtai_project import startup

ANYWHERE = "0.0.0.0"  # noqa: S104 - a value, nothing listens


def test_a_port_in_use_is_refused() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(startup.StartError, match=rf"\ARTAI_PORT is {port}: another process"):
            startup.check_port("127.0.0.1", port)
    startup.check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.77", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machine_is_refused(host: str) -> None:
    with pytest.raises(startup.StartError, match=r"\ARTAI_HOST is"):
        startup.check_port(host, 8000)


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(startup.StartError, match=r"\ARTAI_DATA_DIR is .* cannot be written"):
        startup.check_data_dir(tmp_path / "file" / "var")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_refused(tmp_path: Path) -> None:
    (tmp_path / f".probe-{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(startup.StartError, match=r"\ARTAI_DATA_DIR is .* the disk is full"):
        startup.check_data_dir(tmp_path)


def test_a_good_data_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    startup.check_data_dir(tmp_path / "a" / "var")
    assert (tmp_path / "a" / "var").stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "a" / "var").iterdir())


def test_a_second_up_on_the_same_folder_is_refused_at_once(tmp_path: Path) -> None:
    with (
        startup.lock(tmp_path),
        pytest.raises(startup.StartError, match=rf"another `up` \(process {os.getpid()}\)"),
    ):
        startup.lock(tmp_path)


def test_the_folder_is_free_when_the_first_up_has_ended(tmp_path: Path) -> None:
    startup.lock(tmp_path).close()
    startup.lock(tmp_path).close()


def test_the_limit_on_open_files_is_raised_to_what_is_allowed() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        assert startup.raise_file_limit() >= min(before[1], 10_240)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("host", "port", "base"),
    [
        ("127.0.0.1", 8000, "http://127.0.0.1:8000"),
        (ANYWHERE, 8000, "http://127.0.0.1:8000"),
        ("::", 8000, "http://[::1]:8000"),
        ("::1", 80, "http://[::1]:80"),
    ],
)
def test_the_server_is_asked_where_it_listens(host: str, port: int, base: str) -> None:
    assert startup.base_url(host, port) == base


def test_own_origins_are_spelt_as_browsers_do() -> None:
    assert startup.own_origins("::1", 8000)[0] == "http://[::1]:8000"
    assert startup.own_origins("localhost", 80) == ["http://localhost", "http://127.0.0.1"]
