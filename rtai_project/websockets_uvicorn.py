"""uvicorn's WebSockets, which take frames in turns and within a budget, and are cut off when their
client takes nothing."""

import asyncio
import time
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.protocol import OPEN

from rtai_project import transports_uvicorn, websocket_frames
from rtai_project.client_sockets import RESET_S
from rtai_project.websocket_frames import FRAMES_A_TURN, PIECE_BYTES
from streams.closes import FLOODED
from streams.pulse import Budget
from streams.stalls import Stall
from streams.turnstile import Visit

CHECK_S = 1.0
CLOSE_S = 2.0
"""How long a client may take to answer a close frame; the stock server waits for ten seconds."""
ABORTED = 1006
PONG = bytes([0x80 | websocket_frames.PONG])


class Protocol(WebSocketsSansIOProtocol):
    """One connection. What the network does not take waits in the application, which bounds it."""

    visit: Visit | None = None
    """Ends with the connection; the request that became this WebSocket hands it over."""
    _stalling: asyncio.TimerHandle | None = None
    _stall: Stall
    _left = b""
    """What came and was not looked at yet; reading pauses meanwhile."""
    _turn: asyncio.Handle | None = None
    _pong = b""
    """A frame that waits until the client has taken all before it."""
    _deaf = False
    """Whether what comes is dropped."""
    _code = ABORTED

    def connection_made(self, transport: Any) -> None:
        """uvicorn's, with a buffer that counts as full as soon as it holds something."""
        super().connection_made(transport)
        self.close_timeout = CLOSE_S
        self._budget = Budget(time.monotonic)
        transport.set_write_buffer_limits(high=0)
        self._stall = Stall(self.loop.time)

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn's, which would not tell this end from that by a close frame without a code."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": self._code})
        self._left = b""
        self._rest()
        if self.visit is not None:
            self.visit.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """uvicorn's, in turns."""
        if not self._deaf:
            self._left += data
            if not self.read_paused:
                self._take()

    def _take(self) -> None:
        """Takes frames until a message comes, but not so many that others wait for long."""
        left, at, frames = self._left, 0, 0
        while at < len(left) and frames < FRAMES_A_TURN and self._takes():
            frames += self._look_at(left[at : at + PIECE_BYTES])
            at += PIECE_BYTES
        self._left = b"" if self._deaf or self.transport.is_closing() else left[at:]
        if self._left and not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()
            self._soon()

    def _takes(self) -> bool:
        return not (self._deaf or self.read_paused or self.transport.is_closing())

    def _look_at(self, piece: bytes) -> int:
        """Serves a piece of what came; how many frames ended in it. They count against the client's
        budget, whatever their kind, and so do the pieces of a message."""
        self.conn.receive_data(piece)
        if self.conn.parser_exc is not None:
            self.handle_parser_exception()
            return 0
        frames = [each for each in self.conn.events if isinstance(each, Frame)]
        if frames and not self._budget.spend(len(frames), sum(len(each.data) for each in frames)):
            self._flood()
        else:
            self.handle_events()
        return len(frames)

    def _soon(self) -> None:
        if self._turn is None:
            self._turn = self.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._turn = None
        if not self.transport.is_closing():
            self.read_paused = False
            self._take()
            if not (self.read_paused or self.transport.is_closing()):
                self.transport.resume_reading()

    def _flood(self) -> None:
        """Closes, and drops what still comes: a client whose connection is reset would not read
        why."""
        self._deaf = True
        if not self.handshake_complete:
            transports_uvicorn.reset(self.transport)
            return
        self._soon()
        if self.conn.state is OPEN:
            self._code = FLOODED.code
            self.conn.send_close(FLOODED.code, FLOODED.reason)
            self.transport.write(self.conn.data_to_send()[-1])
            self.close_sent = True
            self.close_timer = self.loop.call_later(CLOSE_S, self._end)
        else:
            self.handle_events()

    def _end(self) -> None:
        if self.transport.get_write_buffer_size():
            transports_uvicorn.reset(self.transport)
        else:
            self.transport.close()

    async def receive(self) -> Any:
        """uvicorn's; what came already is taken before more is read."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            if self._left:
                self._soon()
            else:
                self.read_paused = False
                self.transport.resume_reading()
        return message

    def handle_cont(self, event: Frame) -> None:
        """uvicorn's; a message in many pieces takes no more than one that is whole."""
        whole: Any = self.frames[0]
        if not isinstance(whole, bytearray):
            whole = self.frames[0] = bytearray(whole)  # type: ignore[call-overload]
        whole += event.data
        if event.fin:
            self.frames = [bytes(whole)]
            self.send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answers the latest ping, which is enough: RFC 6455, 5.5.3."""
        written, self.conn.writes = self.conn.writes, []
        for each in written:
            if each[:1] == PONG:
                self._pong = each
            else:
                self.conn.writes.append(each)
        self._answer()

    def _answer(self) -> None:
        """Sends a pong if nothing waits for the client."""
        if self.handshake_complete and self.writable.is_set() and not self.transport.is_closing():
            pong, self._pong = self._pong, b""
            if pong and not self.close_sent:
                self.transport.write(pong)

    def handle_connect(self, event: Any) -> None:
        """uvicorn's; a subprotocol is ASCII."""
        offered = event.headers.get_all("Sec-WebSocket-Protocol")
        if all(each.isascii() for each in offered):
            super().handle_connect(event)
            if self.handshake_initiated and not self.handshake_complete:
                transports_uvicorn.tell(self.scope, self.transport)
            return
        self.handshake_complete = self.close_sent = True
        self.conn.send_response(self.conn.reject(400, "A subprotocol is ASCII."))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    async def send(self, message: Any) -> None:
        """uvicorn's; a text for many clients is encoded once."""
        text = message.get("text") if message["type"] == "websocket.send" else None
        if text and self.handshake_complete and not self.close_sent and self.writable.is_set():
            if not self.transport.is_closing():
                self.transport.write(websocket_frames.text(text))
            return
        if self._deaf:
            return
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # The stock server would complain of an application that refuses a handshake.
            self.handshake_complete = True
        self._answer()
        if self.close_sent and self._left:
            self._soon()

    def pause_writing(self) -> None:
        """The network does not take more."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """All was taken."""
        self._rest()
        super().resume_writing()
        self._answer()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """uvicorn's; what the client has not taken when the application ends is dropped."""
        super().on_task_complete(task)
        if self.transport.get_write_buffer_size():
            transports_uvicorn.reset(self.transport)

    def _look(self) -> None:
        """Cuts off a client that stalls; the stock server would wait, also when it closes."""
        if self._stall.lasts_while(True, self._taken) >= RESET_S:
            transports_uvicorn.reset(self.transport)
        else:
            self._stalling = self.loop.call_later(CHECK_S, self._look)

    def _taken(self) -> int:
        return transports_uvicorn.taken(self.transport)

    def _rest(self) -> None:
        self._stall.lasts_while(False, self._taken)
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None
