"""The command lines of our own children: the ASGI server and the workers."""

import sys
from collections.abc import Mapping
from pathlib import Path

from rtai_project.supervisor import Program

WEB = "web"
JUDGING = "worker-"
GENERATION = "generation-"
WORKERS = (JUDGING, GENERATION)
"""How the names of workers begin."""
DRAIN_S = 20.0
"""How long clients of the server may take to leave."""
WEB_STOP_S = DRAIN_S + 1.5
WORKER_STOP_S = 4.0


def web(server: str, host: str, port: int) -> Program:
    """The ASGI server, `daphne` or `uvicorn`."""
    module = f"rtai_project.server_{server}"
    command = (sys.executable, "-m", module, "--host", host, "--port", str(port))
    return Program(WEB, command, {"RTAI_PROCESS": WEB}, WEB_STOP_S)


def worker(number: int, log_level: str) -> Program:
    """One Celery worker: one process, one task at a time."""
    name = f"{JUDGING}{number}"
    # fmt: off
    command = (
        sys.executable, "-m", "celery", "-A", "rtai_project", "--quiet", "worker",
        "--pool", "solo", "-Q", "judge", "--hostname", f"{name}@%h", "--loglevel", log_level,
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    )
    # fmt: on
    return Program(name, command, {"RTAI_PROCESS": name}, WORKER_STOP_S)


def generation_worker(number: int, concurrency: int, log_level: str) -> Program:
    """One Celery worker that writes answers: one process, many threads."""
    name = f"{GENERATION}{number}"
    # fmt: off
    command = (
        sys.executable, "-m", "celery", "-A", "rtai_project", "--quiet", "worker",
        "--pool", "threads", "--concurrency", str(concurrency), "-Q", "generation",
        "--hostname", f"{name}@%h", "--loglevel", log_level,
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    )
    # fmt: on
    return Program(name, command, {"RTAI_PROCESS": name}, WORKER_STOP_S)


FIRST_RUN = {"RTAI_ADMIN_PASSWORD", "RTAI_API_KEY"}
"""Secrets that this process alone stores, as hashes."""


def environment_of(environ: Mapping[str, str], metrics: Path) -> dict[str, str]:
    """The environment that every child gets: ours, without what only the first run needs."""
    return {
        **{name: value for name, value in environ.items() if name not in FIRST_RUN},
        "ORT_DISABLE_TELEMETRY": "1",
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "PYTHONUNBUFFERED": "1",
    }
