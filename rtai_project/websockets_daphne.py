"""Daphne's WebSockets with flow control both ways.

The stock protocol never makes the application wait for a slow client, reads a fast client without
end, answers every ping, closes without a reason, and cannot say why it refuses a handshake.
"""

import asyncio
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from autobahn.websocket.types import ConnectionDeny
from daphne.ws_protocol import WebSocketProtocol as StockProtocol
from twisted.internet.protocol import connectionDone

from rtai_project import client_sockets, websocket_frames
from rtai_project.reading_daphne import Reader
from streams.closes import FLOODED
from streams.stalls import Stall
from streams.turnstile import Visit


class Protocol(Reader):
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
        self._ping: bytes | None = None
        self._ponged = 0
        self._written = 0
        self._stall = Stall(time.monotonic)
        super().connectionMade()
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    def onPing(self, payload: bytes) -> None:  # noqa: N802 - Autobahn's name
        """Answers the latest ping, which is enough: RFC 6455, 5.5.3."""
        self._ping = payload
        self._answer()

    def _answer(self) -> None:
        """Sends a pong unless the one before still waits for the client."""
        if self._ping is None or self.state != self.STATE_OPEN:
            return
        if self._written - self.pending() >= self._ponged:
            payload, self._ping = self._ping, None
            self._write(websocket_frames.encode(payload, websocket_frames.PONG))
            self._ponged = self._written

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport's buffer is full."""
        self.writable.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport's buffer is empty."""
        self.writable.set()
        self._answer()

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

    def can_send(self) -> bool:
        """Whether the connection stands and its buffer is not full."""
        return bool(self.writable.is_set() and self.state == self.STATE_OPEN)

    def unregisterProducer(self) -> None:  # noqa: N802 - Autobahn's name
        """Autobahn drops the connection: what waits to be sent is not waited for."""
        super().unregisterProducer()
        self.writable.set()

    def serverSend(self, content: Any, binary: bool = False) -> None:  # noqa: N802 - Daphne's name
        """Sends one frame: at once if nothing waits before it, else by the transport's buffer."""
        if self.state != self.STATE_OPEN:
            return
        frame = websocket_frames.encode(content, 2) if binary else websocket_frames.text(content)
        self._write(frame)

    def sendData(self, data: bytes, *_: Any, **__: Any) -> None:  # noqa: N802 - Autobahn's name
        """Sends what Autobahn makes, as all else."""
        self._write(data)

    def _write(self, frame: bytes) -> None:
        self._written += len(frame)
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
            super().onClose(was_clean, FLOODED.code if self._flooded else code, reason)

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
        self._answer()
