"""Daphne with flow control both ways and a drain: `python -m rtai_project.server_daphne`.

The stock server never makes the application wait for a slow client, reads a fast client without
end, closes without a reason, cuts every socket after a day, and ends without a close frame.
"""

import asyncio
import functools
import signal
import sys
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server as StockServer
from daphne.server import twisted_loop
from twisted.internet import reactor as installed_reactor

from rtai_project import serving
from rtai_project.reading_daphne import Inbox
from rtai_project.requests_daphne import serve_requests
from rtai_project.websockets_daphne import Protocol
from streams import stalls

CHECK_S = 1.0
BACKLOG = 1024

# Twisted's stubs describe the module, not the object that stands in its place.
reactor: Any = installed_reactor


class Server(StockServer):  # type: ignore[misc]
    """Daphne's server with our protocol, a drain, and a bind failure that is told."""

    def __init__(self, served: serving.Served, host: str, port: int) -> None:
        """Twisted listens when it runs."""
        endpoints = build_endpoint_description_strings(host=host, port=port)
        super().__init__(
            served.application,
            [f"{endpoint}:backlog={BACKLOG}" for endpoint in endpoints],
            signal_handlers=False,
            ready_callable=self._prepare,
            server_name="",
        )
        self._served = served
        self._ports: list[Any] = []
        self._task: asyncio.Task[None] | None = None
        self.problem = ""

    def listen_success(self, port: Any) -> None:
        """Keeps the port, to close it first when the server ends."""
        super().listen_success(port)
        self._ports.append(port)

    def listen_error(self, failure: Any) -> None:
        """Keeps the reason: the process ends with it."""
        self.problem = failure.getErrorMessage()
        self.stop()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Daphne's, with an inbox that pauses reading."""
        scope["extensions"] = {stalls.EXTENSION: {"bytes": protocol.taken}}
        if not isinstance(protocol, Protocol):
            queue = super().create_application(protocol, scope)
            running = self.connections[protocol]["application_instance"]
            running.add_done_callback(lambda _: protocol.abandon())
            return queue
        inbox = Inbox(protocol)
        scope.setdefault("asgi", {"version": "3.0"})
        scope["extensions"]["websocket.http.response"] = {}
        send = functools.partial(self.handle_reply, protocol)
        running = self.application(scope=scope, receive=inbox.get, send=send)
        self.connections[protocol]["application_instance"] = asyncio.ensure_future(running)
        return inbox

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """Waits while the client's buffer is full, which is what makes a producer slow down."""
        kind, text = message.get("type"), message.get("text")
        if kind == "websocket.send" and text and protocol.can_send():
            protocol.serverSend(text)
            return
        if kind in ("websocket.send", "http.response.body"):
            await protocol.writable.wait()
        await super().handle_reply(protocol, message)

    def kill_all_applications(self) -> Any:
        """Daphne's, which trips over applications that ended before their connection."""
        ended = [
            each for each, its in self.connections.items() if "application_instance" not in its
        ]
        for protocol in ended:
            del self.connections[protocol]
        return super().kill_all_applications()

    def _prepare(self) -> None:
        serve_requests(self.http_factory, self._served.turnstile)
        self.ws_factory.protocol = Protocol
        self.ws_factory.setProtocolOptions(
            autoPingTimeout=0,
            openHandshakeTimeout=self.websocket_connect_timeout,
            maxMessagePayloadSize=serving.MAX_FRAME_BYTES,
            maxFramePayloadSize=serving.MAX_FRAME_BYTES,
            closeHandshakeTimeout=2,
            failByDrop=False,
            tcpNoDelay=True,
            allowNullOrigin=True,  # Whether an origin may pass is the application's to say.
        )
        Protocol.configure(self.ws_factory)
        for number in (signal.SIGTERM, signal.SIGINT):
            twisted_loop.add_signal_handler(number, self._begin_drain)
        self._task = twisted_loop.create_task(self._open())

    async def _open(self) -> None:
        await serving.logged(self._served.opened(), "start")

    def _begin_drain(self) -> None:
        if not self.draining:
            self.draining = True
            self._task = twisted_loop.create_task(self._drain())

    draining = False

    async def _drain(self) -> None:
        for port in self._ports:
            port.stopListening()
        await serving.logged(self._served.drained(), "drain", timeout_s=serving.DRAIN_S)
        reactor.stop()

    def timeout_checker(self) -> None:
        """Daphne's, more often: a stalled client is cut off in time."""
        for protocol in list(self.connections):
            protocol.check_timeouts()
        reactor.callLater(CHECK_S, self.timeout_checker)


def run(served: serving.Served, host: str, port: int) -> str:
    """Serves until a signal and a drain end it; why it could not listen, or nothing."""
    server = Server(served, host, port)
    server.run()
    return server.problem


def main() -> None:
    """Serves the product; exit status 1 with one line where the address cannot be had."""
    host, port = serving.arguments("server_daphne")
    if problem := run(serving.product(), host, port):
        sys.exit(f"error: cannot listen on {host} port {port}: {problem}")


if __name__ == "__main__":
    main()
