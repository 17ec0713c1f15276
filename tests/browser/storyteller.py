"""A server of chat completions that writes when the test tells it to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 60
STEP_S = 0.05


class Storyteller:
    """Tells the `story`, word by word, as far as `tell` has allowed; notices who hangs up."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[str] = []
        """The last turn of each request."""
        self.hung_up = 0
        self._allowed = 0
        self._change = threading.Condition()
        self.story = ""

    def begin(self, story: str, words: int) -> None:
        """What the next answer says, and how much of it at once."""
        with self._change:
            self.story, self._allowed = story, words

    def tell(self, words: int = 10_000) -> None:
        """Lets so many words more be told; at the end of the story the answer ends."""
        with self._change:
            self._allowed += words
            self._change.notify_all()

    def words(self) -> Iterator[str]:
        """The pieces of the story as they are allowed, and empty ones while it waits."""
        pieces = self.story.split(" ")
        for place, word in enumerate(pieces):
            while not self._may(place):
                yield ""
            yield word if place == 0 else f" {word}"
        while not self._may(len(pieces)):
            yield ""

    def _may(self, place: int) -> bool:
        with self._change:
            return self._change.wait_for(lambda: self._allowed > place, STEP_S)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    teller: Storyteller

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.teller.asked.append(asked["messages"][-1]["content"])
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for word in self.teller.words():
                # A comment where nothing is told yet: it shows whether anybody listens.
                self._event({"content": word}) if word else self._chunk(": wait\n\n")
            self._event({}, "stop")
            self._chunk("data: [DONE]\n\n")
            self._chunk("")
        except OSError:
            self.teller.hung_up += 1
            self.close_connection = True

    def _event(self, delta: dict[str, str], finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        self._chunk(f"data: {json.dumps({'choices': [choice]})}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


@contextmanager
def telling() -> Iterator[Storyteller]:
    """A storyteller that listens."""
    teller = Storyteller()
    handler = type("Handler", (_Handler,), {"teller": teller})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    teller.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield teller
    finally:
        teller.tell()
        server.shutdown()
        server.server_close()
