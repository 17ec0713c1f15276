"""What comes over one of Daphne's WebSockets: in turns, within a budget, and no faster than the
application takes it."""

import asyncio
import time
from collections.abc import Mapping
from sys import getsizeof
from typing import Any, Protocol

from daphne.ws_protocol import WebSocketProtocol as StockProtocol
from twisted.internet.protocol import connectionDone

from rtai_project.websocket_frames import FRAMES_A_TURN, PIECE_BYTES
from streams.closes import FLOODED
from streams.pulse import Budget

INBOX_HIGH = 8
INBOX_LOW = 4
"""Messages from one client that may wait for the application before reading pauses."""
INBOX_HIGH_BYTES = 128 * 1024
INBOX_LOW_BYTES = 64 * 1024
"""What they may take in memory."""
MAX_PARTS = 64
"""Parts in which a message may wait for its end; then they are joined."""


class Reading(Protocol):
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


def join(parts: list[bytes]) -> None:
    """Keeps many small parts of a message as one, which takes no more than what is in it."""
    if len(parts) > MAX_PARTS:
        whole: Any = parts[0] if isinstance(parts[0], bytearray) else bytearray(parts[0])
        whole += b"".join(parts[1:])
        parts[:] = [whole]


def _size(item: Mapping[str, Any]) -> int:
    """What it takes in memory: a character outside ASCII may widen all others."""
    content = item.get("text") or item.get("bytes")
    return getsizeof(content) if content else 0


class Reader(StockProtocol):  # type: ignore[misc]
    """The half of a WebSocket that reads."""

    data: bytes
    """What Autobahn has not parsed."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Daphne's; nothing has come yet."""
        self._reading_paused = False
        self._asked = self._deaf = self._flooded = False
        self._left = b""
        self._turn: asyncio.Handle | None = None
        self._frames = 0
        self._budget = Budget(time.monotonic)
        super().connectionMade()

    def connectionLost(self, reason: Any = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Daphne's; what was not looked at is forgotten, and the inbox needs no reader any more."""
        super().connectionLost(reason)
        self._left = b""
        if isinstance(inbox := getattr(self, "application_queue", None), Inbox):
            inbox.let_go()

    def pause_reading(self) -> None:
        """Leaves the client's bytes in the network."""
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pauseProducing()

    def resume_reading(self) -> None:
        """Takes the client's bytes again, unless the connection is going away."""
        if self._left:
            self._soon()
        elif self._reading_paused:
            self._reading_paused = False
            if self.transport.connected:
                self.transport.resumeProducing()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Autobahn's, in turns. First comes the request, whole, from the HTTP channel."""
        if not self._asked:
            self._asked = True
            self._dataReceived(data)
        elif not self._deaf:
            self._left += data
            if not self._reading_paused:
                self._take()

    def _take(self) -> None:
        """Takes frames as long as the inbox has room, but not so many that others wait for long."""
        if self.state == self.STATE_CONNECTING:
            self.pause_reading()
            return
        left, at, self._frames = self._left, 0, 0
        while at < len(left) and self._frames < FRAMES_A_TURN and self._takes():
            end = at + max(PIECE_BYTES, self._missing())
            self._dataReceived(left[at:end])
            at = end
        self._left = b"" if self._deaf or self.state == self.STATE_CLOSED else left[at:]
        if self._left and not self._reading_paused:
            self.pause_reading()
            self._soon()

    def _takes(self) -> bool:
        return not (self._deaf or self._reading_paused or self.state == self.STATE_CLOSED)

    def _missing(self) -> int:
        """Bytes that the frame under way still lacks."""
        if (frame := self.current_frame) is None:
            return 0
        return int(frame.length - self.current_frame_masker.pointer())

    def _soon(self) -> None:
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._turn, self._reading_paused = None, False
        self._take()
        if not self._reading_paused and self.transport.connected:
            self.transport.resumeProducing()

    def onOpen(self) -> None:  # noqa: N802 - Autobahn's name
        """Daphne's; what came before the handshake's answer is taken now."""
        super().onOpen()
        self._left, self.data = self.data + self._left, b""
        if self._left:
            self.pause_reading()
            self._soon()

    def onFrameBegin(self) -> None:  # noqa: N802 - Autobahn's name
        """Autobahn's; frames of every kind count against the client's budget, and so do the pieces
        of a message."""
        super().onFrameBegin()
        self._frames += 1
        if not self._budget.spend(1, min(self.current_frame.length, self.maxFramePayloadSize)):
            self._flood()

    def _flood(self) -> None:
        """Closes, and drops what still comes: a client whose connection is reset would not read
        why."""
        self._deaf, self.data = True, b""
        self.resume_reading()
        if self.state == self.STATE_OPEN:
            self._flooded = True
            self.sendCloseFrame(FLOODED.code, FLOODED.reason.encode())

    def onMessageFrameData(self, payload: bytes) -> None:  # noqa: N802 - Autobahn's name
        """Autobahn's; a frame that comes in many parts takes no more than one that is whole."""
        super().onMessageFrameData(payload)
        join(self.frame_data)

    def onMessageFrame(self, payload: list[bytes]) -> None:  # noqa: N802 - Autobahn's name
        """Autobahn's; so does a message of many frames."""
        super().onMessageFrame(payload)
        join(self.message_data)
