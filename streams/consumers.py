"""The WebSocket edge: who may connect, frames in, frames out. Sessions do the rest."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast
from uuid import uuid4

from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from inference import metrics_prometheus as metrics
from inference.errors import (
    Forbidden,
    Overloaded,
    RateLimited,
    RtaiError,
    Unauthorized,
)
from streams import addresses, doors, frames, lifespan, stalls
from streams.clients import Client
from streams.closes import Close, CloseCode, close
from streams.outbox import Outbox
from streams.session_store import Banned, TooManyConnections
from streams.sessions import Session
from streams.tokens import Claims, ExpiredToken, InvalidToken

SUBPROTOCOL = "rtai.v1"
TOKEN_PREFIX = "rtai.token."  # noqa: S105 (where a token begins is no secret)
ABORTED = 1006
"""How a connection ends without a close frame."""
CLOSE_S = 2.0
"""How long a close frame may take; after that the connection is dropped."""

logger = logging.getLogger(__name__)


class Refused(Exception):
    """The handshake is answered with an HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class Rejected(Exception):
    """The connection is accepted and closed at once, so that browsers learn why."""

    def __init__(self, close: Close) -> None:
        super().__init__(close.reason)
        self.close = close


class StreamConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One WebSocket.

    It is no member of the channel layer: the hub of its process is, once for all clients.
    """

    session: Session | None = None

    async def __call__(
        self,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        send: Callable[[Mapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Serves the connection until it ends; cleans up however that happens."""
        self.scope, self.base_send = scope, send
        self.subprotocols: list[str] = list(scope.get("subprotocols") or ())
        self._code = ABORTED
        self._farewell = False
        self._ending: asyncio.Task[None] | None = None
        self._serving = asyncio.current_task()
        await receive()
        if not await self._open():
            return
        metrics.CONNECTIONS.inc()
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                await self._take(message)
            self._note_end(message.get("code") or ABORTED)
        finally:
            await self._clean_up()

    async def _open(self) -> bool:
        """Whether the connection stands."""
        gateway = self._gateway = await lifespan.gateway()
        try:
            client = self._client(gateway)
            await self._hold(client, gateway)
        except Refused as refused:
            await self._refuse(refused)
            return False
        except Rejected as rejected:
            await self.accept(SUBPROTOCOL if SUBPROTOCOL in self.subprotocols else None)
            await self.close(rejected.close.code, rejected.close.reason)
            metrics.CONNECTIONS_TOTAL.labels(str(rejected.close.code)).inc()
            return False
        return await self._greet(client, gateway)

    async def _greet(self, client: Client, gateway: "lifespan.Gateway") -> bool:
        taken = stalls.taken(self.scope)
        outbox = Outbox(self._write, self._overflow, clock=time.monotonic, taken=taken)
        self.session = Session(client, outbox, gateway.ports, self._cut)
        try:
            await self.accept(SUBPROTOCOL if SUBPROTOCOL in self.subprotocols else None)
            await self.session.open()
        except Overloaded:
            await self.session.close()
            away = close(CloseCode.SHUTDOWN, "Not able to serve now.", retry_after_ms=2_000)
            await self.close(away.code, away.reason)
            return False
        except BaseException:
            await self.session.close()
            raise
        gateway.add(self.session)
        return True

    def _client(self, gateway: "lifespan.Gateway") -> Client:
        """Who this is; raises Refused or Rejected."""
        try:
            claims, expired = self._claims(gateway)
            doors.check_origin(self.scope, claims, gateway.ports.directory)
        except Unauthorized as error:
            raise Refused(401, error.detail) from error
        except Forbidden as error:
            raise Refused(403, error.detail) from error
        if expired is not None:
            raise Rejected(close(CloseCode.TOKEN_EXPIRED, expired.detail, retry_after_ms=0))
        if self.subprotocols and SUBPROTOCOL not in self.subprotocols:
            raise Rejected(close(CloseCode.PROTOCOL_VIOLATED, f"Only {SUBPROTOCOL} is spoken."))
        trusted = cast(addresses.Networks, settings.RTAI_TRUSTED_PROXIES)
        secret = settings.RTAI_SECRETS["addresses"]
        return doors.client_of(self.scope, claims, uuid4().hex, trusted, secret)

    def _claims(self, gateway: "lifespan.Gateway") -> tuple[Claims, ExpiredToken | None]:
        """What a genuine token says, and whether its time is over; raises InvalidToken."""
        offered = (each for each in self.subprotocols if each.startswith(TOKEN_PREFIX))
        token = next(offered, "").removeprefix(TOKEN_PREFIX) or doors.bearer(self.scope)
        if token is None:
            raise InvalidToken("There is no token.")
        try:
            return gateway.ports.verify(token), None
        except ExpiredToken as error:
            # Where it was raised refers to this connection, which would wait for a collection.
            return error.claims, error.with_traceback(None)

    async def _hold(self, client: Client, gateway: "lifespan.Gateway") -> None:
        """Takes a place among the site's connections; raises Rejected."""
        if gateway.draining:
            raise Rejected(close(CloseCode.SHUTDOWN, "Shutting down.", retry_after_ms=1_000))
        try:
            async with gateway.ports.gate:
                await gateway.ports.store.open(client, gateway.id)
        except Banned as error:
            raise Rejected(close(CloseCode.BANNED, error.detail)) from error
        except TooManyConnections as error:
            raise Rejected(close(CloseCode.TOO_MANY_CONNECTIONS, error.detail)) from error
        except RateLimited as error:
            wait_ms = error.retry_after_ms or 1_000
            raise Rejected(close(CloseCode.FLOODING, error.detail, wait_ms)) from error
        except Overloaded as error:
            raise Rejected(close(CloseCode.SHUTDOWN, error.detail, 2_000)) from error

    async def _refuse(self, refused: Refused) -> None:
        metrics.ERRORS.labels("unauthorized" if refused.status == 401 else "forbidden").inc()
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self.close()
            return
        headers = [(b"content-type", b"text/plain")]
        if refused.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        start = {"type": "websocket.http.response.start", "status": refused.status}
        await self.base_send({**start, "headers": headers})
        await self.base_send(
            {"type": "websocket.http.response.body", "body": str(refused).encode()}
        )

    async def _take(self, message: Mapping[str, Any]) -> None:
        """Serves one message from the client."""
        if self.session is None or self.session.ended is not None:
            return
        if (text := message.get("text")) is None:
            size = len(message.get("bytes") or b"")
            wrong = frames.binary(size)
            self._count("unknown", wrong)
            self.session.hear_nonsense(wrong, size)
            return
        for frame, error in await self.session.receive(text):
            self._count(frames.kind(frame), error)

    def _note_end(self, code: int) -> None:
        """How the connection ended: as its client or the network has it, unless we ended it."""
        if self._ending is None:
            self._code = code
            self._farewell = code not in _CUT

    def _count(self, kind: str, error: RtaiError | None) -> None:
        metrics.FRAMES_RECEIVED.labels(kind).inc()
        if error is not None:
            metrics.ERRORS.labels(error.code).inc()

    async def _write(self, text: str) -> None:
        await self.base_send({"type": "websocket.send", "text": text})

    def _overflow(self) -> None:
        if self.session is not None:
            metrics.DROPS.labels("slow_reader").inc()
            why = close(CloseCode.SLOW_READER, "Too much waits.", retry_after_ms=1_000)
            self.session.end(why)

    def _cut(self, why: Close) -> None:
        self._code = why.code
        self._ending = asyncio.create_task(self._finish(why))

    async def _finish(self, why: Close) -> None:
        """Writes what waits, unless the client does not read, and the close frame."""
        assert self.session is not None  # noqa: S101 (only a session cuts)
        outbox = self.session.outbox
        outbox.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                if why.code == CloseCode.SLOW_READER:
                    outbox.discard()
                else:
                    await outbox.drained()
                await self.close(why.code, why.reason)
        except TimeoutError:
            logger.info("A close frame with %s could not be sent", why.code)
        except Exception as error:  # Whatever a server raises when its client has gone.
            logger.info("A connection was gone before its close frame: %r", error)
        else:
            await asyncio.sleep(CLOSE_S)
        if self._serving is not None:
            self._serving.cancel()

    async def _clean_up(self) -> None:
        """What refers back here is let go, so that nothing waits for a garbage collection."""
        session, self.session = self.session, None
        ending, self._ending, self._serving = self._ending, None, None
        metrics.CONNECTIONS.dec()
        metrics.CONNECTIONS_TOTAL.labels(_bounded(self._code)).inc()
        if session is None:
            return
        if ending is not None:
            ending.cancel()
        try:
            await session.close(farewell=self._farewell, returns=means_to_return(self._code))
        finally:
            self._gateway.remove(session)


def _bounded(code: int) -> str:
    """The close code as a label: ours and the protocol's, the client's own as `other`."""
    return str(code) if code in _KNOWN else "other"


def means_to_return(code: int) -> bool:
    """Whether a client that is closed so means to come back: it says so by 4000 to 4499, as the
    server does; of a message that is too big the server says nothing."""
    return 4000 <= code < 4500 or code == CloseCode.TOO_BIG


_CUT = {ABORTED, CloseCode.FLOODING}
"""How the server tells that the client did not take leave."""
_KNOWN = {1000, 1001, 1005, 1006, 1009, 1011, *(int(code) for code in CloseCode)}
