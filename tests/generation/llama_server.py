"""llama.cpp's own server in a process of its own: `python -m tests.generation.llama_server`."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.product import until

KEY = "sk-llama-secret-key-0123456789"
CONTEXT = 512
"""Tokens of one answer; behind them it goes on with the later half, and so without an end."""
PARALLEL = 2
"""Answers at the same time; others wait."""
DEFERRED = "llamacpp:requests_deferred "


class Llama:
    """The server as a test sees it."""

    def __init__(self, address: str, process: "subprocess.Popen[str]") -> None:
        self.url = f"{address}/v1"
        self._process = process
        headers = {"authorization": f"Bearer {KEY}"}
        self._client = httpx.Client(base_url=address, headers=headers, timeout=30.0)

    def is_healthy(self) -> bool:
        """Whether it says that it can answer."""
        with contextlib.suppress(httpx.TransportError):
            return self._client.get("/health").status_code == 200
        return False

    def writing(self) -> int:
        """Answers under way."""
        return sum(slot["is_processing"] for slot in self._client.get("/slots").json())

    def waiting(self) -> int:
        """Answers that wait for a place."""
        lines = self._client.get("/metrics").text.splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(DEFERRED))

    def whole(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers in one piece to the body of a request."""
        body = {**asked, "stream": False}
        del body["stream_options"]
        found = self._client.post("/v1/chat/completions", json=body)
        return dict(found.raise_for_status().json())

    def kill(self) -> None:
        """Ends it without a word."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Ends what the test has of it."""
        self._client.close()
        self.kill()


@contextmanager
def running() -> Iterator[Llama]:
    """The server, when it is healthy."""
    command = [sys.executable, "-m", "tests.generation.llama_server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout
        llama = Llama(process.stdout.readline().strip(), process)
        try:
            until(llama.is_healthy)
            yield llama
        finally:
            llama.close()


def main() -> None:
    """Prints its address and serves until its input ends."""
    import xllamacpp

    from tests.generation import small_llama

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "babble.gguf")
        small_llama.write(path)
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.hostnames, params.port = ["127.0.0.1"], 0
        params.api_keys = [KEY]
        params.n_parallel, params.n_ctx = PARALLEL, PARALLEL * CONTEXT
        params.ctx_shift = True
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        # What was computed before is computed again, so that the same request has the same answer.
        params.cache_prompt = False
        params.endpoint_slots = params.endpoint_metrics = True
        params.fit_params = params.warmup = False
        params.verbosity = 1
        server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
