"""The edge of one event stream: a session whose frames leave as Server-Sent Events."""

import asyncio
import logging
import random
import time

from api.exchanges_http import Exchange, Headers, Receive
from inference import metrics_prometheus as metrics
from inference.errors import Overloaded
from streams import endings, events, stalls
from streams.clients import Client
from streams.closes import Close, CloseCode, close
from streams.frames import Subscribe
from streams.listeners import Listener
from streams.outbox import Outbox
from streams.relays import position_lost

GONE = 1001
"""How the end of a connection is counted that its client left."""
CLOSE_S = 2.0
"""How long the last event may take; after that the connection is dropped."""
RETRY_MS = (1_000, 5_000)
"""Bounds of the time after which a client comes back that lost its connection."""
HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]

logger = logging.getLogger(__name__)


class EventStream:
    """One client's stream, from its admission to its end."""

    def __init__(self, exchange: Exchange, client: Client, asked: Subscribe) -> None:
        self._exchange = exchange
        self._gateway = exchange.gateway
        self._asked = asked
        self._over = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None
        self._code = GONE
        outbox = Outbox(
            self._write,
            self._overflow,
            failed=self._over.set,
            clock=time.monotonic,
            taken=stalls.taken(exchange.scope),
        )
        self._session = Listener(client, outbox, self._gateway.ports, self._cut)

    async def serve(self) -> None:
        """Returns when the response has ended; raises RtaiError where it never began."""
        await self._hold()
        self._gateway.add(self._session)
        metrics.CONNECTIONS.inc()
        gone = asyncio.create_task(_gone(self._exchange.receive))
        over = asyncio.create_task(self._over.wait())
        following = asyncio.create_task(self._follow())
        try:
            await asyncio.wait({gone, over, following}, return_when=asyncio.FIRST_COMPLETED)
            if following.done() and (error := following.exception()) is not None:
                self._fail(error)
            await asyncio.wait({gone, over}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await endings.end([gone, over, following])
            await self._clean_up()

    async def _hold(self) -> None:
        """Takes a place among the site's connections; raises RtaiError."""
        if self._gateway.draining:
            raise Overloaded("Shutting down.", retry_after_ms=1_000)
        async with self._gateway.ports.gate:
            await self._gateway.ports.store.open(self._session.client, self._gateway.id)

    async def _follow(self) -> None:
        await self._session.open()
        await self._session.follow(self._asked)

    def _fail(self, error: BaseException) -> None:
        """Raises where the answer can still say so; else the client comes back to recover."""
        if not self._exchange.started:
            raise error
        logger.error("A stream could not be followed", exc_info=error)
        self._session.end(position_lost())

    async def _write(self, text: str) -> None:
        await self._put(b"".join([self._event(frame) for frame in text.split("\n")]))

    def _event(self, frame: str) -> bytes:
        if frame.startswith('{"type":"subscribed"'):
            return events.subscribed(frame, self._asked)
        return events.event(frame)

    async def _put(self, body: bytes) -> None:
        if not self._exchange.started:
            await self._exchange.start(200, HEADERS)
            body = events.retry(random.randint(*RETRY_MS)) + body  # noqa: S311 (spreads load)
        await self._exchange.write(body)

    def _overflow(self) -> None:
        metrics.DROPS.labels("slow_reader").inc()
        why = close(CloseCode.SLOW_READER, "Too much waits.", retry_after_ms=1_000)
        self._session.end(why)

    def _cut(self, why: Close) -> None:
        self._code = why.code
        self._ending = asyncio.create_task(self._finish(why))

    async def _finish(self, why: Close) -> None:
        """Writes what waits, unless the client does not read, and the last event."""
        outbox = self._session.outbox
        outbox.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                if why.code == CloseCode.SLOW_READER:
                    outbox.discard()
                else:
                    await outbox.drained()
                await self._put(events.close(why))
                await self._exchange.write(b"", more=False)
        except TimeoutError:
            logger.info("A last event with %s could not be sent", why.code)
        except Exception as error:  # Whatever a server raises when its client has gone.
            logger.info("A connection was gone before its last event: %r", error)
        finally:
            self._over.set()

    async def _clean_up(self) -> None:
        metrics.CONNECTIONS.dec()
        metrics.CONNECTIONS_TOTAL.labels(str(self._code)).inc()
        if self._ending is not None:
            self._ending.cancel()
        try:
            await self._session.close()
        finally:
            self._gateway.remove(self._session)


async def _gone(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
