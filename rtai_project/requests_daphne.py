"""Daphne's HTTP requests: one over a limit is turned away, and an answer that streams waits for its
client."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from daphne.http_protocol import WebRequest, http
from daphne.ws_protocol import WebSocketProtocol as StockProtocol
from twisted.internet import reactor as installed_reactor

from rtai_project import client_sockets, refusals, request_limits
from streams.stalls import Stall
from streams.turnstile import Turnstile, Visit

STREAMS = b"text/event-stream"
# Twisted's stubs describe the module, not the object that stands in its place.
reactor: Any = installed_reactor


class Request(WebRequest):  # type: ignore[misc]
    """One request. Once its answer has begun, it is the streaming producer of its channel."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Twisted's arguments."""
        self.writable = asyncio.Event()
        self.writable.set()
        self._flows = False
        self._streams = False
        self._received = 0
        self._stall = Stall(time.monotonic)
        super().__init__(*args, **kwargs)

    def __repr__(self) -> str:
        """Without the URL, which may carry a ticket: this is written to logs."""
        return f"<Request {self.method!r} at {id(self):#x}>"

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted's, which would fill the disk; a body may come without its length."""
        self._received += len(data)
        if self._received <= request_limits.MAX_BODY:
            super().handleContentChunk(data)
        else:
            self.channel.turn_away(request_limits.large_body(self.channel.target()))

    def process(self) -> Any:
        """Daphne's; a request that became a WebSocket leaves its visit there, and is gone.

        It and its channel refer to each other, and would stay until a garbage collection finds
        them.
        """
        channel = self.channel
        processing = super().process()
        if (upgraded := channel.upgraded()) is not None:
            upgraded.visit = channel.visit
            channel.requests.clear()
            self.channel: Any = None
        return processing

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport's buffer is full."""
        self.writable.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The transport's buffer is empty."""
        self.writable.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """The connection is lost: nobody may wait for it."""
        self.writable.set()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        """Daphne's; whoever waits to write goes on."""
        self.writable.set()
        super().connectionLost(reason)

    def handle_reply(self, message: Mapping[str, Any]) -> None:
        """Daphne's; registers for flow control before the first byte."""
        if message["type"] == "http.response.start" and not self._flows and self.channel:
            self._flows = True
            self.registerProducer(self, True)
            kinds = [value for name, value in message.get("headers", ()) if name == b"content-type"]
            self._streams = any(value.startswith(STREAMS) for value in kinds)
        if not (
            self._streams and message.get("more_body") and self._write_now(message.get("body", b""))
        ):
            super().handle_reply(message)

    def _write_now(self, body: bytes) -> bool:
        """Writes a piece of a stream without a turn of the loop; not while others wait before it.

        The piece that carries the head goes Twisted's way.
        """
        if not body or self.finished or self.channel is None or not self.chunked:
            return False
        transport = self.channel.transport
        if not transport.connected or transport.disconnecting or self._pending():
            return False
        piece = b"%x\r\n%b\r\n" % (len(body), body)
        sent = transport.writeSomeData(piece)
        if sent != len(piece):
            transport.write(piece[sent:] if isinstance(sent, int) else piece)
        return True

    def finish(self) -> None:
        """Daphne's; the next answer on this connection registers anew."""
        if self._flows:
            self._flows = False
            self.unregisterProducer()
        self.writable.set()
        super().finish()

    def abandon(self) -> None:
        """Drops the connection of an answer that its application began and did not end."""
        if self._response_started and not self.finished and self.channel is not None:
            self.channel.transport.abortConnection()

    def check_timeouts(self) -> None:
        """Daphne's, and cuts off a client that takes nothing of a stream."""
        super().check_timeouts()
        if not self._streams or self.finished or self.channel is None:
            return
        waiting = not self.writable.is_set() and bool(self._pending())
        if self._stall.lasts_while(waiting, self.taken) >= client_sockets.RESET_S:
            self.channel.transport.abortConnection()

    def taken(self) -> int:
        """Bytes that the client has taken; where the system does not say, less what waits here."""
        if self.channel is None or not self.channel.transport.connected:
            return 0
        found = client_sockets.acknowledged(self.channel.transport.socket)
        return -self._pending() if found is None else found

    def _pending(self) -> int:
        """Bytes that the client has not taken."""
        transport = self.channel.transport
        return int(len(transport.dataBuffer) - transport.offset + transport._tempDataLen)


class Channel(http.HTTPChannel):  # type: ignore[misc]
    """One connection. Twisted would wait as long as a client sends a little now and then."""

    turnstile: Turnstile
    visit: Visit
    maxHeaders = request_limits.MAX_HEADERS  # noqa: N815 - Twisted's name
    totalHeadersSize = MAX_LENGTH = request_limits.MAX_HEAD  # noqa: N815 - Twisted's name
    _waiting: Any = None
    _turned_away = False

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted's; the first request is waited for."""
        super().connectionMade()
        client_sockets.hold_little(self.transport.socket)
        self.visit = self.turnstile.visit(getattr(self.transport.getPeer(), "host", ""))
        self._wait()

    def upgraded(self) -> Any:
        """The WebSocket that took over the connection, if one did."""
        its = self.transport.protocol
        return its if isinstance(its, StockProtocol) else None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted's; what comes after a request that was turned away is not looked at."""
        if not self._turned_away:
            super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted's; a line that is not waited for begins the next request."""
        if self._turned_away:
            return
        self._wait()
        super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted's, which would end without a word."""
        self.turn_away(request_limits.large_head())

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Twisted's, as above."""
        if not self._turned_away:
            super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted's; the head of a request is there, and its body is not needed to refuse it."""
        forwarded = self.requests[-1].requestHeaders.getRawHeaders("X-Forwarded-For", ())
        if refusal := self.visit.request(forwarded):
            self.transport.write(refusals.response(refusal, self.target()))
            self.loseConnection()
            return
        self._rest()
        if (self.length or 0) > request_limits.MAX_BODY:
            self.turn_away(request_limits.large_body(self.target()))
            return
        if self.length != 0:
            slow = request_limits.slow_body(self.target())
            self._waiting = reactor.callLater(request_limits.BODY_S, self.turn_away, slow)
        super().allHeadersReceived()

    def allContentReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted's; nothing comes of a request that was refused."""
        if self._turned_away or self.visit.refusal is not None:
            return
        self._rest()
        super().allContentReceived()

    def target(self) -> bytes:
        """What the first line of the request under way names."""
        return bytes(getattr(self, "_path", b""))

    def turn_away(self, answer: bytes) -> None:
        """Answers a request that breaks a limit. What its client still sends is dropped for a
        moment: one whose connection is reset would not read the answer."""
        if self._turned_away:
            return
        self._turned_away = True
        if self._waiting is not None and self._waiting.active():
            self._waiting.cancel()
        self._waiting = reactor.callLater(refusals.SILENCE_S, self._give_up)
        self.transport.write(answer)
        self.transport.loseWriteConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802 - Twisted's name
        """Twisted's, with a reason."""
        large = self._receivedHeaderSize > self.totalHeadersSize
        if large or self._receivedHeaderCount > self.maxHeaders:
            self.turn_away(request_limits.large_head())
        else:
            self.turn_away(request_limits.answer(400, request_limits.BAD))

    def connectionLost(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        """Twisted's."""
        self._rest()
        self.visit.end()
        super().connectionLost(reason)

    def _wait(self) -> None:
        if self._waiting is None:
            wait_s = refusals.SILENCE_S if self.visit.refusal else request_limits.HEAD_S
            self._waiting = reactor.callLater(wait_s, self._give_up)

    def _give_up(self) -> None:
        self._waiting = None
        self.transport.abortConnection()

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None


def serve_requests(factory: Any, turnstile: Turnstile) -> None:
    """Makes the connections of Daphne's HTTP factory use our requests."""
    build = factory.buildProtocol

    def build_protocol(address: Any) -> Any:
        protocol = build(address)
        protocol.requestFactory = Request
        protocol._channel.__class__ = Channel
        protocol._channel.turnstile = turnstile
        return protocol

    factory.buildProtocol = build_protocol
