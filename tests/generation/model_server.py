"""A server of chat completions in a process of its own: `python -m tests.generation.model_server`.

It speaks OpenAI's wire format with a small random decoder behind it, until a test scripts what
the next requests get: slow, broken or malformed answers, byte by byte.
"""

import json
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from inference.engine_onnx import OnnxEngine
from inference.generator import Cancellation, Ended, Prompt, Role, Sampling, Turn
from tests.inference import small_decoders

EVENTS = {"content-type": "text/event-stream"}
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Script:
    """What one request gets. `parts` are sent one by one, as Latin-1; `hang` waits, before the
    status or after the parts, until the client is gone; `drip` repeats the last part meanwhile;
    `reset` breaks the connection off instead of ending the body."""

    parts: Sequence[str] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: dict(EVENTS))
    hang: str = ""
    drip: bool = False
    reset: bool = False


@dataclass(slots=True)
class Seen:
    """What the server has seen."""

    requests: list[dict[str, Any]] = field(default_factory=list)
    connections: int = 0
    gone: int = 0
    """Clients that left in the middle of an answer."""
    writing: int = 0
    """Answers under way."""


def event(content: object = None, finish: str | None = None, **more: object) -> str:
    """One event as servers send it."""
    delta = {} if content is None else {"content": content}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return (
        f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [choice], **more})}\n\n"
    )


DONE = "data: [DONE]\n\n"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def setup(self) -> None:
        super().setup()
        self.fresh = True

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._json(asdict(self.server.seen))

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/control":
            self.server.scripts = deque(Script(**each) for each in content)
            self._json({})
            return
        if self.fresh:
            self.fresh = False
            self.server.seen.connections += 1
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.requests.append({"path": self.path, "headers": headers, "body": content})
        self.server.seen.writing += 1
        try:
            if self.server.scripts:
                self._play(self.server.scripts.popleft())
            else:
                self._write(content)
        except OSError:
            self.server.seen.gone += 1
            self.close_connection = True
        finally:
            self.server.seen.writing -= 1

    def _play(self, script: Script) -> None:
        if script.hang == "before":
            self._wait_until_gone()
        self.send_response(script.status)
        for name, value in script.headers.items():
            self.send_header(name, value)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for part in script.parts:
            self._chunk(part.encode("latin-1"))
        while script.drip:
            threading.Event().wait(0.02)
            self._chunk(script.parts[-1].encode("latin-1"))
        if script.hang:
            self._wait_until_gone()
        if script.reset:
            self.close_connection = True
        else:
            self._chunk(b"")

    def _wait_until_gone(self) -> None:
        self.connection.settimeout(DEADLINE_S)
        if not self.connection.recv(1):
            raise ConnectionResetError

    def _write(self, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        cancellation = Cancellation()
        answer = self.server.engine.generate(prompt_of(asked), cancellation)
        try:
            for piece in answer:
                if isinstance(piece, Ended):
                    self._chunk(event(None, piece.finish.value).encode())
                    counts = {"prompt_tokens": piece.prompt_tokens}
                    counts["completion_tokens"] = piece.completion_tokens
                    last = json.dumps({"choices": [], "usage": counts})
                    self._chunk(f"data: {last}\n\n{DONE}".encode())
                else:
                    self._chunk(event(piece.text).encode())
            self._chunk(b"")
        finally:
            cancellation.cancel()
            list(answer)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _json(self, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """The server with what it remembers."""

    daemon_threads = True

    def __init__(self, engine: OnnxEngine) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.engine = engine
        self.seen = Seen()
        self.scripts: deque[Script] = deque()


def prompt_of(asked: Mapping[str, Any]) -> Prompt:
    """The prompt of a request."""
    turns = tuple(Turn(Role(each["role"]), each["content"]) for each in asked["messages"])
    return Prompt(
        turns,
        Sampling(
            asked["max_tokens"],
            asked["temperature"],
            asked["top_p"],
            asked.get("seed"),
            tuple(asked.get("stop", ())),
        ),
    )


class Remote:
    """The server as a test sees it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.url = f"{address}/v1"

    def script(self, *scripts: Script) -> None:
        """What the next requests get, one after the other, instead of what was left over."""
        body = json.dumps([asdict(each) for each in scripts]).encode()
        urllib.request.urlopen(f"{self.address}/control", body).close()  # noqa: S310 - our own

    def seen(self) -> Seen:
        """What it has seen so far."""
        with urllib.request.urlopen(f"{self.address}/seen") as found:  # noqa: S310 - our own
            return Seen(**json.load(found))


@contextmanager
def running() -> Iterator[Remote]:
    """The server in a process of its own."""
    command = [sys.executable, "-m", "tests.generation.model_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        try:
            yield Remote(child.stdout.readline().strip())
        finally:
            child.kill()


def main() -> None:
    """Prints its address and serves until it is killed."""
    with tempfile.TemporaryDirectory() as folder:
        engine = small_decoders.engine(small_decoders.version(Path(folder)))
    server = Server(engine)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
