"""Daphne's WebSockets with flow control both ways, and what their client sent but nobody took yet.

The stock protocol never makes the application wait for a slow client, reads a fast client without
end, closes without a reason, and cannot say why it refuses a handshake.
"""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from sys import getsizeof
from typing import Any
from typing import Protocol as Port

from autobahn.websocket.types import ConnectionDeny
from daphne.ws_protocol import WebSocketProtocol as StockProtocol
from twisted.internet.protocol import connectionDone

from rtai_project import client_sockets, websocket_frames
from streams.stalls import Stall
from streams.turnstile import Visit

INBOX_HIGH = 8
INBOX_LOW = 4
"""Messages from one client that may wait for the application before reading pauses."""
INBOX_HIGH_BYTES = 128 * 1024
INBOX_LOW_BYTES = 64 * 1024
"""What they may take in memory."""


class Reading(Port):
    """A connection whose client can be made to wait."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Inbox(asyncio.Queue[Mapping[str, Any]]):
    """What a client sent and the application has not taken yet; reading pauses while it is long
    or large."""

    def __init__(self, protocol: "Reading") -> None:
        super().__init__()
        self._protocol: Reading | None = protocol
        self._bytes = 0

    def let_go(self) -> None:
        """The connection is lost; what it sent may still be taken."""
        self._protocol = None

    def _put(self, item: Mapping[str, Any]) -> None:
        super()._put(item)
        self._bytes += _size(item)
        if self._protocol is None:
            return
        if self.qsize() >= INBOX_HIGH or self._bytes >= INBOX_HIGH_BYTES:
            self._protocol.pause_reading()

    def _get(self) -> Mapping[str, Any]:
        item: Mapping[str, Any] = super()._get()
        self._bytes -= _size(item)
        if self._protocol is None:
            return item
        if self.qsize() <= INBOX_LOW and self._bytes <= INBOX_LOW_BYTES:
            self._protocol.resume_reading()
        return item


def _size(item: Mapping[str, Any]) -> int:
    """What it takes in memory: a character outside ASCII may widen all others."""
    content = item.get("text") or item.get("bytes")
    return getsizeof(content) if content else 0


class Protocol(StockProtocol):  # type: ignore[misc]
    """One WebSocket. It is the streaming producer of its transport, which tells it when to wait."""

    CONFIG_ATTRS: tuple[str, ...] = ()
    """What Autobahn copies to every connection and formats for a log; see `configure`."""
    visit: Visit | None = None
    """Ends with the connection; the request that became this WebSocket hands it over."""
    _refusal: Mapping[str, Any] = {}

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
        self._stall = Stall(time.monotonic)
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

    def onConnect(self, request: Any) -> Any:  # noqa: N802 - Autobahn's name
        """Daphne's, which cannot read a subprotocol that is not ASCII."""
        if not request.headers.get("sec-websocket-protocol", "").isascii():
            raise ConnectionDeny(400, "Bad Request")  # type: ignore[no-untyped-call]
        return super().onConnect(request)

    def onClose(self, was_clean: bool, code: int, reason: str) -> None:  # noqa: N802
        """Daphne's; a connection that it never took over is in none of its lists."""
        if hasattr(self, "server"):
            super().onClose(was_clean, code, reason)

    def handle_reply(self, message: Mapping[str, Any]) -> None:
        """Daphne's, with an answer to the handshake, the reason in the close frame, and every code
        that RFC 6455 has."""
        if message["type"] == "websocket.http.response.start":
            self._refusal = message
        elif message["type"] == "websocket.http.response.body":
            self._refuse(message.get("body", b""))
        elif message["type"] == "websocket.close" and self.state != self.STATE_CONNECTING:
            reason = (message.get("reason") or "").encode()[:123].decode(errors="ignore")
            self.resume_reading()
            self.sendCloseFrame(message.get("code") or 1000, reason.encode())
        else:
            super().handle_reply(message)

    def _refuse(self, body: bytes) -> None:
        """Answers the handshake with what the application wants instead of a connection."""
        if self.state != self.STATE_CONNECTING:
            return
        status = HTTPStatus(self._refusal["status"])
        self._refusal = {**self._refusal, "body": body}
        denied = ConnectionDeny(status.value, status.phrase)  # type: ignore[no-untyped-call]
        self.handshake_deferred.errback(denied)
        del self.handshake_deferred
        self.server.protocol_disconnected(self)

    def sendHttpErrorResponse(  # noqa: N802 - Autobahn's name
        self, code: int, reason: str, more: Any = None
    ) -> None:
        """Autobahn's, as a whole answer: with a length, and its connection's last."""
        body = self._refusal.get("body", b"")
        found = [*self._refusal.get("headers", ()), (b"content-length", b"%d" % len(body))]
        lines = [b"%b: %b" % each for each in [*found, (b"connection", b"close")]]
        head = b"HTTP/1.1 %d %b" % (code, HTTPStatus(code).phrase.encode())
        self.sendData(b"\r\n".join([head, *lines, b"", body]))

    def pending(self) -> int:
        """Bytes that the client has not taken."""
        transport = self.transport
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)

    def taken(self) -> int:
        """Bytes that the client has taken; where the system does not say, those it was given."""
        if not self.transport.connected:
            return 0
        found = client_sockets.acknowledged(self.transport.socket)
        return self._written - self.pending() if found is None else found

    def check_timeouts(self) -> None:
        """Denies a handshake that takes too long and cuts off a client that takes nothing."""
        if self.state == self.STATE_CONNECTING:
            if self.duration() > self.server.websocket_connect_timeout:
                self.serverReject()
            return
        stalled_s = self._stall.lasts_while(bool(self.pending()), self.taken)
        if stalled_s >= client_sockets.RESET_S:
            self.dropConnection(abort=True)
