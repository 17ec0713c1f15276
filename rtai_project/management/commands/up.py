"""`manage.py up`: starts the whole product, keeps it running, and stops it in order."""

import argparse
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.core import checks
from django.core.management.base import BaseCommand
from django.db import connections

from inference import connection_redis, metrics_prometheus
from inference.versions_db import register_shipped
from rtai_project import (
    environment,
    first_run,
    keyring,
    migrations_db,
    programs,
    readiness_http,
    server_valkey,
    shared_secrets_redis,
    startup,
)
from rtai_project.checks import RTAI
from rtai_project.log_sync import LogSync
from rtai_project.supervisor import Supervisor
from rtai_project.watch_redis import Watch

TICK_S = 0.1
ASK_EVERY_S = 0.25
REPORT_EVERY_S = 5.0
"""How often it is told why it is not ready yet."""


class Command(BaseCommand):
    help = "Starts Redis, the server and the workers, and keeps them running until it is stopped."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.epilog = "All it can be told is in RTAI_* variables: see docs/operate.md."

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = _stop_on_signals()
        data_dir = settings.DATA_DIR
        self._warn()
        with startup.lock(data_dir) as lock:
            startup.check_port(settings.RTAI_HOST, settings.RTAI_PORT)
            startup.raise_file_limit()
            metrics_prometheus.reset_directory(metrics := data_dir / "metrics")
            children = programs.environment_of(os.environ, metrics)
            supervisor = Supervisor(children, keep=[lock.fileno()])
            try:
                self._start(supervisor, data_dir, stopping)
                self._run(supervisor, stopping)
            finally:
                _stop(supervisor)

    def _warn(self) -> None:
        for name in environment.check():
            self.stderr.write(f"warning: {name} is not a variable of RTAI; it has no effect.")
        for warning in checks.run_checks(tags=[RTAI]):
            self.stderr.write(f"warning: {warning.msg} {warning.hint or ''}".rstrip())

    def _start(self, supervisor: Supervisor, data_dir: Path, stopping: threading.Event) -> None:
        """Redis and the tables side by side, then everything that needs them."""
        redis_ready = _start_redis(supervisor, data_dir, stopping)
        migrations_db.migrate()
        _wait(supervisor, redis_ready, stopping)
        if stopping.is_set():
            return
        _agree(data_dir)
        for problem in register_shipped(settings.RTAI_MODEL_DIRS, settings.RTAI_REDIS_URL):
            self.stderr.write(f"warning: model version left out: {problem}")
        self._first_run(data_dir)
        connections.close_all()
        supervisor.add(programs.web(_text("RTAI_SERVER"), settings.RTAI_HOST, settings.RTAI_PORT))
        for number in range(1, cast(int, environment.read("RTAI_WORKERS")) + 1):
            supervisor.add(programs.worker(number, _text("RTAI_LOG_LEVEL")))

    def _run(self, supervisor: Supervisor, stopping: threading.Event) -> None:
        base = startup.base_url(settings.RTAI_HOST, settings.RTAI_PORT)
        ready = threading.Event()
        report = self._reporter()
        threading.Thread(
            target=_await_ready, args=(base, report, ready, stopping), daemon=True
        ).start()
        watch = Watch(connection_redis.client(settings.RTAI_REDIS_URL), stopping)
        watch.start()
        while not stopping.wait(TICK_S):
            supervisor.tick()
            _look_after(supervisor, watch)
            if ready.is_set():
                ready.clear()
                self._say([f"ready {_shown()}/"])
                _start_generation(supervisor)

    def _first_run(self, data_dir: Path) -> None:
        given = _text("RTAI_API_KEY")
        origins = startup.own_origins(settings.RTAI_HOST, settings.RTAI_PORT)
        made = first_run.prepare(
            first_run.Wanted(
                _text("RTAI_ADMIN_USERNAME"),
                _text("RTAI_ADMIN_PASSWORD"),
                given,
                settings.RTAI_DEMO,
                origins,
            )
        )
        if not made.is_first:
            return
        lines = first_run.secret_lines(made, given)
        if not self.stdout.isatty():
            lines = [f"secrets         {first_run.write_secrets(data_dir, lines)}"]
        self._say(lines + first_run.place_lines(made, _shown(), demo=settings.RTAI_DEMO))

    def _say(self, lines: Iterable[str]) -> None:
        self.stdout.write("\n".join(lines))
        self.stdout.flush()

    def _reporter(self) -> Callable[[str], None]:
        told_at = time.monotonic()

        def report(reason: str) -> None:
            nonlocal told_at
            if time.monotonic() - told_at >= REPORT_EVERY_S:
                told_at = time.monotonic()
                self.stderr.write(f"not ready yet: {reason}")

        return report


def _start_generation(supervisor: Supervisor) -> None:
    """The workers that write answers: last, for messages can be judged without them."""
    concurrency = cast(int, environment.read("RTAI_GENERATION_CONCURRENCY"))
    for number in range(1, cast(int, environment.read("RTAI_GENERATION_WORKERS")) + 1):
        worker = programs.generation_worker(number, concurrency, _text("RTAI_LOG_LEVEL"))
        supervisor.add_later(worker)


def _text(name: str) -> str:
    return cast(str, environment.read(name))


def _shown() -> str:
    """The address as it is told to people: the host as it was given."""
    return startup.own_origins(settings.RTAI_HOST, settings.RTAI_PORT)[0]


def _stop_on_signals() -> threading.Event:
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def _start_redis(
    supervisor: Supervisor, data_dir: Path, stopping: threading.Event
) -> Callable[[], bool]:
    """Starts the embedded Valkey, or checks the given Redis; tells when it is ready."""
    if _text("RTAI_REDIS_URL"):
        server_valkey.check_url(connection_redis.client(settings.RTAI_REDIS_URL))
        return lambda: True
    socket = connection_redis.embedded_socket(data_dir)
    server_valkey.end_leftover(socket)
    supervisor.add(server_valkey.program(data_dir, socket))
    LogSync(server_valkey.files(data_dir) / server_valkey.LOG, stopping).start()
    return lambda: server_valkey.is_ready(socket)


def _agree(data_dir: Path) -> None:
    """Takes the secrets that other servers of a given Redis have, before any child reads them."""
    if _text("RTAI_REDIS_URL"):
        client = connection_redis.client(settings.RTAI_REDIS_URL)
        found = shared_secrets_redis.agree(client, settings.RTAI_SECRETS)
        if found != settings.RTAI_SECRETS:
            keyring.keep(data_dir, found)
            settings.RTAI_SECRETS.update(found)


def _wait(supervisor: Supervisor, ready: Callable[[], bool], stopping: threading.Event) -> None:
    """Until Redis is ready or we are to stop; raises StartError if it cannot start."""
    while not ready() and not stopping.wait(0.02):
        supervisor.tick()
        if any(child.deaths > 2 for child in supervisor.children.values()):
            raise startup.StartError(
                f"RTAI_DATA_DIR is {str(settings.DATA_DIR)!r}: the embedded Valkey cannot start "
                "with its files there; its own lines above say why."
            )


def _await_ready(
    base: str,
    report: Callable[[str], None],
    ready: threading.Event,
    stopping: threading.Event,
) -> None:
    while not stopping.is_set():
        answer = readiness_http.ask(base)
        if answer.ready:
            ready.set()
            return
        report(answer.reason)
        stopping.wait(ASK_EVERY_S)


def _look_after(supervisor: Supervisor, watch: Watch) -> None:
    """Ends workers that are stuck. For one that has died nobody waits longer than for the dead."""
    pids = {child.pid: name for name, child in supervisor.children.items() if child.pid}
    watch.pids = {pid for pid, name in pids.items() if name.startswith(programs.WORKERS)}
    watch.awaited = {
        pid
        for pid, name in pids.items()
        if name.startswith(programs.GENERATION) and not supervisor.children[name].deaths
    }
    for pid, reason in watch.take().items():
        if pid in pids:
            supervisor.kill(pids[pid], reason)


def _stop(supervisor: Supervisor) -> None:
    """The server first, then the workers, Redis last: nothing stops before those who need it."""
    names = list(supervisor.children)
    supervisor.stop([name for name in names if name == programs.WEB])
    supervisor.stop([name for name in names if name.startswith(programs.WORKERS)])
    supervisor.close()
