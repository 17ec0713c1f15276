"""uvicorn's WebSockets, cut off when their client takes nothing."""

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from rtai_project import transports_uvicorn, websocket_frames
from rtai_project.client_sockets import RESET_S
from streams.stalls import Stall
from streams.turnstile import Visit

CHECK_S = 1.0
CLOSE_S = 2.0
"""How long a client may take to answer a close frame; the stock server waits for ten seconds."""
ABORTED = 1006


class Protocol(WebSocketsSansIOProtocol):
    """One connection. What the network does not take waits in the application, which bounds it."""

    visit: Visit | None = None
    """Ends with the connection; the request that became this WebSocket hands it over."""
    _stalling: asyncio.TimerHandle | None = None
    _stall: Stall

    def connection_made(self, transport: Any) -> None:
        """uvicorn's, with a buffer that counts as full as soon as it holds something."""
        super().connection_made(transport)
        self.close_timeout = CLOSE_S
        transport.set_write_buffer_limits(high=0)
        self._stall = Stall(self.loop.time)

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn's, which would not tell this end from that by a close frame without a code."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": ABORTED})
        self._rest()
        if self.visit is not None:
            self.visit.end()
        super().connection_lost(exc)

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
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            # The stock server would complain of an application that refuses a handshake.
            self.handshake_complete = True

    def pause_writing(self) -> None:
        """The network does not take more."""
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        """All was taken."""
        self._rest()
        super().resume_writing()

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
