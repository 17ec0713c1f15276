"""Totals over several processes that come and go."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inference import metrics_prometheus as metrics

COUNT = """
import sys
from inference import metrics_prometheus as m
m.MESSAGES.labels(action="allow").inc(int(sys.argv[1]))
m.CONNECTIONS.set(int(sys.argv[1]))
m.CONNECTIONS_TOTAL.labels(code="4001").inc()
m.MODEL_SECONDS.labels(plugin="moderation").observe(0.002)
m.WORKERS.set(int(sys.argv[1]))
"""
TELL = """
import sys
from inference import metrics_prometheus as m
sys.stdout.buffer.write(m.exposition())
"""
DIE = "\nimport os; os.kill(os.getpid(), 9)"


def run(directory: Path, process: str, code: str, *arguments: str) -> str:
    environment = {**os.environ, metrics.DIRECTORY: str(directory), metrics.PROCESS: process}
    command = [sys.executable, "-c", code, *arguments]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode in (0, -9), found.stderr
    return found.stdout


def value(exposition: str, series: str) -> float:
    match = re.search(rf"^{re.escape(series)} (\S+)$", exposition, re.MULTILINE)
    assert match, f"{series} is not in the exposition"
    return float(match[1])


def test_totals_are_right_over_processes_and_their_restarts(tmp_path: Path) -> None:
    for _ in range(3):
        run(tmp_path, "worker-1", COUNT + DIE, "5")
    run(tmp_path, "worker-2", COUNT, "7")
    files = sorted(path.name for path in tmp_path.iterdir())
    run(tmp_path, "worker-2", COUNT, "7")

    told = run(tmp_path, "web", TELL)

    assert value(told, 'rtai_messages_total{action="allow"}') == 3 * 5 + 2 * 7
    assert value(told, 'rtai_model_seconds_count{plugin="moderation"}') == 5
    assert value(told, 'rtai_model_seconds_bucket{le="0.001",plugin="moderation"}') == 0
    assert value(told, 'rtai_model_seconds_bucket{le="0.0025",plugin="moderation"}') == 5
    assert value(told, 'rtai_connections_total{code="4001"}') == 5
    new = {path.name for path in tmp_path.iterdir()} - set(files)
    assert all("web" in name for name in new), "a restarted process adds no file"


def test_gauges_start_anew_with_their_process(tmp_path: Path) -> None:
    run(tmp_path, "web", COUNT + DIE, "40")
    run(tmp_path, "worker-1", COUNT, "2")

    told = run(tmp_path, "web", TELL)

    assert value(told, "rtai_connections") == 2
    assert value(told, "rtai_workers") == 2


def test_a_gauge_of_the_whole_tells_the_latest_value(tmp_path: Path) -> None:
    run(tmp_path, "web-1", COUNT, "3")
    run(tmp_path, "web-2", COUNT, "1")

    told = run(tmp_path, "web-3", TELL)

    assert value(told, "rtai_workers") == 1
    assert value(told, "rtai_connections") == 4


def test_a_strange_process_name_makes_one_plain_file_name(tmp_path: Path) -> None:
    run(tmp_path, "a_b/../c", COUNT, "1")

    assert value(run(tmp_path, "web", TELL), "rtai_connections") == 1
    assert all(path.is_file() for path in tmp_path.iterdir())


def test_who_starts_all_processes_starts_with_an_empty_folder(tmp_path: Path) -> None:
    run(tmp_path / "metrics", "web", COUNT, "1")

    metrics.reset_directory(tmp_path / "metrics")

    assert list((tmp_path / "metrics").iterdir()) == []


def test_a_process_of_its_own_tells_of_itself() -> None:
    before = metrics.DROPS.labels(reason="test")._value.get()

    metrics.DROPS.labels(reason="test").inc()

    told = metrics.exposition().decode()
    assert value(told, 'rtai_drops_total{reason="test"}') == before + 1


NAMES = (
    "connections",
    "connections_total",
    "frames_received_total",
    "frames_sent_total",
    "errors_total",
    "messages_total",
    "accept_to_verdict_seconds",
    "queue_wait_seconds",
    "batch_size",
    "batch_tokens",
    "model_seconds",
    "plugin_failures_total",
    "drops_total",
    "workers",
    "pending_messages",
    "oldest_pending_seconds",
    "model_info",
    "publish_seconds",
    "redispatched_total",
)


@pytest.mark.parametrize("name", NAMES)
def test_every_promised_metric_exists(name: str) -> None:
    assert f"# TYPE rtai_{name} " in metrics.exposition().decode()
