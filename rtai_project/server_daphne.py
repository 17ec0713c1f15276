"""Daphne with flow control both ways and a drain: `python -m rtai_project.server_daphne`.

The stock server never makes the application wait for a slow client, reads a fast client without
end, closes without a reason, cuts every socket after a day, and ends without a close frame.
"""

import asyncio
import functools
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server as StockServer
from daphne.server import twisted_loop
from daphne.ws_protocol import WebSocketProtocol as StockProtocol
from twisted.internet import reactor as installed_reactor
from twisted.internet.protocol import connectionDone

from rtai_project import serving, websocket_frames
from rtai_project.requests_daphne import serve_requests
from streams.turnstile import Visit

INBOX_HIGH = 8
INBOX_LOW = 4
"""Messages from one client that may wait for the application before reading pauses."""
STALLED_S = 5.0
"""A client that takes nothing for so long, while bytes wait for it, is cut off."""
CHECK_S = 1.0
BACKLOG = 1024

# Twisted's stubs describe the module, not the object that stands in its place.
reactor: Any = installed_reactor


class Inbox(asyncio.Queue[Mapping[str, Any]]):
    """What a client sent and the application has not taken yet; reading pauses while it is long."""

    def __init__(self, protocol: "Protocol") -> None:
        super().__init__()
        self._protocol: Protocol | None = protocol

    def let_go(self) -> None:
        """The connection is lost; what it sent may still be taken."""
        self._protocol = None

    def _put(self, item: Mapping[str, Any]) -> None:
        super()._put(item)
        if self._protocol is not None and self.qsize() >= INBOX_HIGH:
            self._protocol.pause_reading()

    def _get(self) -> Mapping[str, Any]:
        item: Mapping[str, Any] = super()._get()
        if self._protocol is not None and self.qsize() <= INBOX_LOW:
            self._protocol.resume_reading()
        return item


class Protocol(StockProtocol):  # type: ignore[misc]
    """One WebSocket. It is the streaming producer of its transport, which tells it when to wait."""

    CONFIG_ATTRS: tuple[str, ...] = ()
    """What Autobahn copies to every connection and formats for a log; see `configure`."""
    visit: Visit | None = None
    """Ends with the connection; the request that became this WebSocket hands it over."""

    @classmethod
    def configure(cls, factory: Any) -> None:
        """Takes the factory's options for all connections."""
        for name in StockProtocol.CONFIG_ATTRS:
            value = getattr(factory, name)
            # A plain function on a class would be called as a method.
            setattr(cls, name, staticmethod(value) if callable(value) else value)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Takes over from the HTTP channel, which was the producer before the upgrade."""
        self.writable = asyncio.Event()
        self.writable.set()
        self._reading_paused = False
        self._written = 0
        self._taken = 0
        self._taken_at = time.monotonic()
        super().connectionMade()
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport's buffer is full."""
        self.writable.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport's buffer is empty."""
        self.writable.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The connection is lost: nobody may wait for it."""
        self.writable.set()

    def connectionLost(self, reason: Any = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Daphne's; lets go of all that refers back here, so that nothing waits for a collection.

        Otherwise what thousands of connections leave behind adds up before it is found.
        """
        if self.visit is not None:
            self.visit.end()
        super().connectionLost(reason)
        self.is_open = self.is_closed = None
        if isinstance(inbox := getattr(self, "application_queue", None), Inbox):
            inbox.let_go()

    def can_send(self) -> bool:
        """Whether the connection stands and its buffer is not full."""
        return bool(self.writable.is_set() and self.state == self.STATE_OPEN)

    def pause_reading(self) -> None:
        """Leaves the client's bytes in the network."""
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Takes the client's bytes again, unless the connection is going away."""
        if self._reading_paused:
            self._reading_paused = False
            if self.transport.connected:
                self.transport.resumeProducing()

    def unregisterProducer(self) -> None:  # noqa: N802 - Autobahn's name
        """Autobahn drops the connection: what waits to be sent is not waited for."""
        super().unregisterProducer()
        self.writable.set()

    def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802 - Daphne's name
        """Sends one frame: at once if nothing waits before it, else by the transport's buffer."""
        if self.state != self.STATE_OPEN:
            return
        frame = websocket_frames.encode(content, 2) if binary else websocket_frames.text(content)
        self._written += len(frame)
        self._write(frame)

    def _write(self, frame: bytes) -> None:
        transport = self.transport
        if transport.connected and not transport.disconnecting and not self.pending():
            try:
                sent = transport.socket.send(frame)
            except OSError:  # Full, or broken: the transport finds out which.
                sent = 0
            frame = frame[sent:]
        if frame:
            transport.write(frame)

    def handle_reply(self, message: Mapping[str, Any]) -> None:
        """Daphne's, with the reason in the close frame and every code that RFC 6455 has."""
        if message["type"] == "websocket.close" and self.state != self.STATE_CONNECTING:
            reason = (message.get("reason") or "").encode()[:123].decode(errors="ignore")
            self.resume_reading()
            self.sendCloseFrame(message.get("code") or 1000, reason.encode())
        else:
            super().handle_reply(message)

    def pending(self) -> int:
        """Bytes that the client has not taken."""
        transport = self.transport
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)

    def check_timeouts(self) -> None:
        """Denies a handshake that takes too long and cuts off a client that takes nothing."""
        if self.state == self.STATE_CONNECTING:
            if self.duration() > self.server.websocket_connect_timeout:
                self.serverReject()
            return
        waiting, now = self.pending(), time.monotonic()
        taken = self._written - waiting
        if not waiting or taken != self._taken:
            self._taken, self._taken_at = taken, now
        elif now - self._taken_at >= STALLED_S:
            self.dropConnection(abort=True)


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
        if not isinstance(protocol, Protocol):
            queue = super().create_application(protocol, scope)
            running = self.connections[protocol]["application_instance"]
            running.add_done_callback(lambda _: protocol.abandon())
            return queue
        inbox = Inbox(protocol)
        scope.setdefault("asgi", {"version": "3.0"})
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
            closeHandshakeTimeout=2,
            failByDrop=False,
            tcpNoDelay=True,
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
