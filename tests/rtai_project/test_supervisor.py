"""Children are started, restarted, stopped in order, and outlive nobody."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rtai_project import supervisor as supervisors
from rtai_project.guardian import end, listen
from rtai_project.programs import environment_of
from rtai_project.supervisor import MAX_DELAY_S, Guard, Program, Supervisor, delay_s
from tests.rtai_project.waiting import wait_until

SLEEP = "import signal, sys; print('up'); signal.pause()"
STUBBORN = (
    "import signal, pathlib, sys\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "while True: signal.pause()\n"
)


def _python(name: str, code: str, *arguments: str, stop_s: float = 5) -> Program:
    return Program(name, (sys.executable, "-c", code, *arguments), stop_s=stop_s)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    supervisor = Supervisor(os.environ)
    yield supervisor
    supervisor.close()


def test_a_child_that_dies_is_started_again(supervisor: Supervisor) -> None:
    child = supervisor.add(_python("one", SLEEP))
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)

    def back() -> bool:
        supervisor.tick()
        return child.pid not in (None, first)

    wait_until(back, "it is back")
    assert child.deaths == 1


def test_a_child_that_cannot_be_started_for_a_while_is_tried_again(
    supervisor: Supervisor, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = tmp_path / "program"
    program.symlink_to(sys.executable)
    child = supervisor.add(Program("one", (str(program), "-c", SLEEP)))
    program.unlink()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)

    def refused() -> bool:
        supervisor.tick()
        return "one cannot be started now" in caplog.text

    wait_until(refused, "it was tried")
    assert child.pid is None
    assert child.deaths > 1
    program.symlink_to(sys.executable)

    def back() -> bool:
        supervisor.tick()
        return child.pid is not None

    wait_until(back, "it is back")


def test_a_guardian_that_cannot_be_replaced_for_a_while_ends_nothing(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    child = supervisor.add(_python("one", SLEEP))
    lost = supervisor._guard._process
    lost.kill()
    lost.wait()

    def refused(_: object) -> Guard:
        raise BlockingIOError("no process is left")

    with monkeypatch.context() as without:
        without.setattr(supervisors, "Guard", refused)
        supervisor.tick()
    assert "There can be no guardian now: no process is left" in caplog.text
    assert child.pid is not None

    supervisor.tick()
    assert supervisor._guard.lives


def test_a_program_added_for_later_starts_with_the_next_tick(supervisor: Supervisor) -> None:
    supervisor.add_later(_python("one", SLEEP))
    assert supervisor.children["one"].pid is None
    supervisor.tick()
    assert supervisor.children["one"].pid is not None


def test_no_child_knows_the_secrets_of_the_first_run(tmp_path: Path) -> None:
    told = {"RTAI_ADMIN_PASSWORD": "x", "RTAI_API_KEY": "y", "RTAI_PORT": "1", "PATH": "/bin"}
    found = environment_of(told, tmp_path)
    assert found.keys() & told.keys() == {"RTAI_PORT", "PATH"}


def test_a_child_that_dies_at_once_is_tried_less_and_less_often() -> None:
    delays = [delay_s(deaths) for deaths in range(10)]
    assert delays[:4] == [0, 0.25, 0.5, 1.0]
    assert max(delays) == MAX_DELAY_S


def test_children_get_the_environment_and_their_own_share(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    code = f"import os; open({str(told)!r}, 'w').write(os.environ['RTAI_PROCESS'])"
    supervisor.add(Program("one", (sys.executable, "-c", code), {"RTAI_PROCESS": "worker-7"}))
    wait_until(lambda: told.exists() and told.read_text() == "worker-7", "the child told")


def test_a_child_is_in_a_session_of_its_own(supervisor: Supervisor) -> None:
    child = supervisor.add(_python("one", SLEEP))
    assert child.pid is not None
    assert os.getsid(child.pid) == child.pid != os.getsid(0)


def test_a_child_that_ignores_the_signal_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    child = supervisor.add(_python("one", STUBBORN, str(tmp_path / "up"), stop_s=0.2))
    wait_until((tmp_path / "up").exists, "it ignores the signal")
    process = child.process
    supervisor.stop(["one"])
    assert process is not None
    assert process.returncode == -signal.SIGKILL


def test_a_guardian_that_was_killed_is_replaced(supervisor: Supervisor) -> None:
    supervisor.add(_python("one", SLEEP))
    [guardian] = [
        each for each in psutil.Process().children() if "rtai_project.guardian" in each.cmdline()
    ]
    guardian.kill()

    def replaced() -> bool:
        supervisor.tick()
        return any(
            "rtai_project.guardian" in each.cmdline() and each.pid != guardian.pid
            for each in psutil.Process().children()
            if each.status() != psutil.STATUS_ZOMBIE
        )

    wait_until(replaced, "there is a new guardian")


def test_the_guardian_forgets_those_that_were_reaped() -> None:
    assert listen(["+10\n", "+11\n", "-10\n", "+12\n"]) == [11, 12]


def test_the_guardian_kills_what_does_not_stop(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", STUBBORN, str(tmp_path / "up")], start_new_session=True
    )
    wait_until((tmp_path / "up").exists, "it ignores the signal")
    end([child.pid], term_s=0.2)
    assert child.wait(5) == -signal.SIGKILL


def test_no_child_outlives_a_supervisor_that_was_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\n"
        "from rtai_project.supervisor import Program, Supervisor\n"
        "supervisor = Supervisor(os.environ)\n"
        "for name in ('one', 'two'):\n"
        "    child = supervisor.add(Program(name, (sys.executable, '-c', sys.argv[1])))\n"
        "    print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, SLEEP], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()) for _ in range(2)]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not any(_lives(pid) for pid in pids), "the children ended", seconds=10)


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
