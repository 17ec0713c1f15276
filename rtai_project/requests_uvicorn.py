"""uvicorn's HTTP requests: one over a limit is turned away, and a stalled one ends with its
application."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rtai_project import client_sockets, refusals, request_limits, transports_uvicorn
from streams.addresses import forwarded
from streams.turnstile import Turnstile, Visit


class Protocol(HttpToolsProtocol):
    """One connection."""

    visit: Visit
    _waiting: asyncio.TimerHandle | None = None
    _turned_away = False
    _in_head = True
    _unparsed = 0
    """Bytes that came since the head under way began."""
    _head = 0
    """Bytes of it that were parsed."""
    _body = 0

    def __init__(self, *args: Any, turnstile: Turnstile, **kwargs: Any) -> None:
        """uvicorn's arguments."""
        super().__init__(*args, **kwargs)
        self._turnstile = turnstile

    def connection_made(self, transport: Any) -> None:
        """uvicorn's, which would wait for a request for ever."""
        super().connection_made(transport)
        client_sockets.hold_little(transport.get_extra_info("socket"))
        self.visit = self._turnstile.visit(self.client[0] if self.client else "")
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """uvicorn's."""
        self._rest()
        self.visit.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """uvicorn's, which would keep a head of any size; it is parsed in pieces, and handed over
        when it is whole."""
        if self._turned_away:
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._in_head and self._unparsed > request_limits.MAX_HEAD:
            self._turn_away(request_limits.large_head())

    def on_message_begin(self) -> None:
        """uvicorn's; a request begins."""
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        """uvicorn's."""
        self._head += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """uvicorn's."""
        self._head += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """uvicorn's; the head of a request is there."""
        if self._turned_away:
            return
        if self._is_large():
            self._turn_away(request_limits.large_head())
        elif self.visit.refusal is None and self._announces_too_much():
            self._turn_away(request_limits.large_body(self.url))
        else:
            self._begin_body()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """uvicorn's; a body may come without its length."""
        self._body += len(body)
        if self._body > request_limits.MAX_BODY:
            self._turn_away(request_limits.large_body(self.url))
        if not self._turned_away:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """uvicorn's; the request is whole, and what comes next is the head of another."""
        if self._turned_away:
            return
        if self.visit.refusal is None:
            self._rest()
        self._in_head, self._unparsed = True, 0
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """uvicorn's; the WebSocket takes the connection's visit with it."""
        if self._turned_away:
            return
        if refusal := self.visit.request(forwarded(self.headers)):
            self.transport.write(refusals.response(refusal))
            self.transport.close()
            return
        self._rest()
        super().handle_websocket_upgrade()
        upgraded: Any = self.transport.get_protocol()
        upgraded.visit = self.visit
        # The parser refers back here: the stock server leaves both to a garbage collection.
        self.parser = None  # type: ignore[assignment]

    def send_400_response(self, msg: str) -> None:
        """uvicorn's, as every other answer to a request that breaks a limit."""
        self._turn_away(request_limits.answer(400, request_limits.BAD))

    def _announces_too_much(self) -> bool:
        return request_limits.announced(self.headers) > request_limits.MAX_BODY

    def _begin_body(self) -> None:
        self._in_head, self._unparsed, self._body = False, 0, 0
        if self.visit.refusal is None:
            self._rest()
            slow = request_limits.slow_body(self.url)
            wait_s = request_limits.BODY_S
            self._waiting = self.loop.call_later(wait_s, self._turn_away, slow)

    def _is_large(self) -> bool:
        many = len(self.headers) > request_limits.MAX_HEADERS
        return many or self._head > request_limits.MAX_HEAD

    def _turn_away(self, answer: bytes) -> None:
        """Answers a request that breaks a limit. What its client still sends is dropped for a
        moment: one whose connection is reset would not read the answer."""
        if self._turned_away or self.transport.is_closing():
            return
        self._turned_away = True
        self._rest()
        self._waiting = self.loop.call_later(refusals.SILENCE_S, self.transport.abort)
        if self._may_answer():
            self.transport.write(answer)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.flow.resume_reading()
        self.transport.write_eof()

    def _may_answer(self) -> bool:
        """Whether the application has not answered this request yet, and is at none before it."""
        cycle = self.cycle
        if self._in_head:
            return cycle is None or cycle.response_complete
        return not (self.pipeline or cycle.response_started)

    def _wait(self) -> None:
        if self._waiting is None:
            wait_s = refusals.SILENCE_S if self.visit.refusal else request_limits.HEAD_S
            self._waiting = self.loop.call_later(wait_s, self.transport.abort)

    def _rest(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """uvicorn's; an answer left unfinished drops the connection.

        The stock server closes it, which waits for ever for a client that takes nothing.
        """
        transports_uvicorn.tell(cycle.scope, cycle.transport)
        if refusal := self.visit.request(forwarded(cycle.scope["headers"])):
            app = refusals.application(refusal, cycle.scope["raw_path"])

        async def run(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if cycle.response_started and not cycle.response_complete and not cycle.disconnected:
                cycle.disconnected = True
                transports_uvicorn.reset(cycle.transport)

        super()._start_asgi_task(cycle, run)
