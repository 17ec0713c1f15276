"""Child processes: started, restarted with back-off when they die, and stopped in order."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, cast

logger = logging.getLogger(__name__)

FIRST_DELAY_S = 0.25
MAX_DELAY_S = 15.0
STDERR = 2
"""Children's lines go to our standard error: our standard output is for people and scripts."""
SETTLED_S = 10.0
"""A child that lived this long is restarted without the delay of earlier deaths."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run as a child: the command says what it is, `stop_s` how long stopping may take."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_s: float = 5.0


def delay_s(deaths: int) -> float:
    """Seconds to wait before the start that follows `deaths` early deaths in a row."""
    return min(MAX_DELAY_S, FIRST_DELAY_S * 2 ** (deaths - 1)) if deaths else 0.0


class Guard:
    """The guardian process, told of every child; see `guardian.py`."""

    def __init__(self, keep: Sequence[int] = ()) -> None:
        """`keep` are files that stay open until the guardian has ended the children."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rtai_project.guardian"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=tuple(keep),
            start_new_session=True,
        )
        self._pipe = cast(IO[bytes], self._process.stdin)

    @property
    def lives(self) -> bool:
        """Whether the guardian runs."""
        return self._process.poll() is None

    def tell(self, sign: str, pid: int) -> None:
        """Tells that a child was started (`+`) or reaped (`-`)."""
        try:
            self._pipe.write(f"{sign}{pid}\n".encode())
        except BrokenPipeError:
            logger.warning("The guardian is gone.")

    def close(self) -> None:
        """Lets the guardian end, which ends what children are left."""
        self._pipe.close()
        self._process.wait()


class Child:
    """One program, and the process that runs it now, if any."""

    def __init__(self, program: Program, clock: Callable[[], float] = time.monotonic) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        """Early deaths in a row."""
        self._clock = clock
        self._started_at = 0.0
        self._due_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process's id, while it runs."""
        return self.process.pid if self.process else None

    @property
    def is_due(self) -> bool:
        """Whether it should be started now."""
        return self.process is None and self._clock() >= self._due_at

    def start(self, environ: Mapping[str, str]) -> None:
        """Starts the program in a session of its own, so that Ctrl-C does not reach it.

        Raises OSError where it cannot run.
        """
        self._started_at = self._clock()
        self.process = subprocess.Popen(
            self.program.command,
            env={**environ, **self.program.environment},
            stdin=subprocess.DEVNULL,
            stdout=STDERR,
            start_new_session=True,
        )

    def reap(self) -> int | None:
        """The pid of the process if it died since it was last looked at."""
        if self.process is None or (status := self.process.poll()) is None:
            return None
        pid, self.process = self.process.pid, None
        lived_s = self._clock() - self._started_at
        self.put_off(settled=lived_s >= SETTLED_S)
        logger.warning(
            "%s (process %d) ended with status %d after %.1f s; next start in %.2f s",
            self.program.name, pid, status, lived_s, delay_s(self.deaths),
        )  # fmt: skip
        return pid

    def put_off(self, *, settled: bool = False) -> None:
        """It is due later, and the later the more often it died soon after its start."""
        self.deaths = 1 if settled else self.deaths + 1
        self._due_at = self._clock() + delay_s(self.deaths)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal to the process and all it started."""
        if self.process is not None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                logger.debug("%s was gone before %s", self.program.name, number.name)


class Supervisor:
    """Runs children until it is told to stop; `tick` does what is due and never blocks."""

    def __init__(self, environ: Mapping[str, str], keep: Sequence[int] = ()) -> None:
        self._environ = dict(environ)
        self._keep = keep
        self._guard = Guard(keep)
        self.children: dict[str, Child] = {}

    def add(self, program: Program) -> Child:
        """Starts a program and keeps it running from now on; raises OSError if it cannot run."""
        child = Child(program)
        self._start(child)
        self.children[program.name] = child
        return child

    def add_later(self, program: Program) -> None:
        """Keeps a program running from the next tick on, or from when it can run."""
        self.children[program.name] = Child(program)

    def tick(self) -> None:
        """Reaps children that died and starts those whose delay is over."""
        if not self._guard.lives:
            self._renew_guard()
        for child in self.children.values():
            self._reap(child)
            if child.is_due:
                self._start_again(child)

    def kill(self, name: str, reason: str) -> None:
        """Kills a child that no longer does its work; the next ticks start it again."""
        logger.error("Killing %s: %s", name, reason)
        self.children[name].send(signal.SIGKILL)

    def stop(self, names: Sequence[str]) -> None:
        """Stops these children at once and returns when none of them runs."""
        stopping = [self.children.pop(name) for name in names]
        for child in stopping:
            child.send(signal.SIGTERM)
        for child in stopping:
            self._wait(child)

    def close(self) -> None:
        """Stops what still runs, latest first, then the guardian."""
        for name in reversed(list(self.children)):
            self.stop([name])
        self._guard.close()

    def _start(self, child: Child) -> None:
        child.start(self._environ)
        if child.pid is not None:
            self._guard.tell("+", child.pid)

    def _start_again(self, child: Child) -> None:
        try:
            self._start(child)
        except OSError as error:  # No memory, or no process, is left for the moment.
            child.put_off()
            logger.warning("%s cannot be started now: %s", child.program.name, error)

    def _reap(self, child: Child) -> None:
        if (pid := child.reap()) is not None:
            self._guard.tell("-", pid)

    def _wait(self, child: Child) -> None:
        if child.process is None:
            return
        try:
            child.process.wait(child.program.stop_s)
        except subprocess.TimeoutExpired:
            logger.warning("%s did not stop in %.0f s", child.program.name, child.program.stop_s)
            child.send(signal.SIGKILL)
            child.process.wait()
        self._guard.tell("-", child.process.pid)

    def _renew_guard(self) -> None:
        logger.warning("Starting a new guardian.")
        try:
            guard = Guard(self._keep)
        except OSError as error:  # The next tick tries again.
            logger.warning("There can be no guardian now: %s", error)
            return
        self._guard.close()
        self._guard = guard
        for child in self.children.values():
            if child.pid is not None:
                self._guard.tell("+", child.pid)
