"""One connection after another: when to connect, with which token, and when one is dead."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from rtai_client.errors import ConnectionClosed, TokenRefused
from rtai_client.places import Frame
from rtai_client.reconnecting import Advice, State, after_close, after_refusal, delay
from rtai_client.tokens import RENEW_BEFORE_S, Token, Tokens

SUBPROTOCOL = Subprotocol("rtai.v1")
ANSWER_S = 10.0
"""A connection that says nothing for so long, heartbeats included, is dead."""
STABLE_S = 5.0
"""After so long a connection counts as a success."""
RETURNING = 4000
"""To the server a close by 4000 to 4499 is no farewell."""
LEAST_RENEWAL_S = 5.0
LOST = (OSError, TimeoutError, WebSocketException)

logger = logging.getLogger(__name__)


def _socket_url(url: str) -> str:
    """Where the server's socket is; raises ValueError for what is no server's address."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"expected an address such as https://chat.example.org, not {url!r}")
    scheme = "wss" if parts.scheme == "https" else "ws"
    return f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/ws/v1/"


class _NoToken(Exception):
    """The token function failed; another attempt may help."""


class Link:
    """Keeps a connection; `take` gets every frame but pings, `changed` every new state."""

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        take: Callable[[Frame], Awaitable[None]],
        changed: Callable[[State], None],
        random: Callable[[], float],
    ) -> None:
        self.state = State.IDLE
        self._url = _socket_url(url)
        self._tokens = tokens
        self._take = take
        self._changed = changed
        self._random = random
        self._socket: ClientConnection | None = None
        self._wake = asyncio.Event()
        self._closed = ConnectionClosed(1000, "")
        self._failures = 0
        self._opened_at: float | None = None
        self._stale = False

    def wake(self) -> None:
        """Tries again at once, unless the server asked for patience."""
        self._wake.set()

    def close(self) -> None:
        """Nothing is sent any more."""
        self._set(State.CLOSED)

    async def send(self, frame: Mapping[str, Any]) -> None:
        """Sends a frame if there is a connection."""
        if self.state is State.OPEN and self._socket is not None:
            with contextlib.suppress(*LOST):
                await self._socket.send(json.dumps(frame))

    async def run(self) -> ConnectionClosed:
        """Connects over and over; returns why it must not any more. Raises what is a mistake."""
        while True:
            self._set(State.CONNECTING)
            self._opened_at = None
            advice = await self._attempt()
            self._socket = None
            # An attempt may fail slowly, too: what counts is how long the server was there.
            if self._opened_at is not None and time.monotonic() - self._opened_at > STABLE_S:
                self._failures = 0
            if not (advice.again or (advice.fresh_token and not self._stale)):
                return self._closed
            self._stale = advice.fresh_token
            await self._wait(advice)

    async def _attempt(self) -> Advice:
        try:
            await self._connect()
        except TokenRefused as error:
            self._closed = error
            return Advice(again=False, fresh_token=False)
        except ConnectionClosed as error:
            self._closed = error
            return after_close(error.code, error.reason)
        except InvalidStatus as error:
            return self._refused(error)
        except _NoToken:
            return Advice(again=True, fresh_token=self._stale)
        except LOST:
            return Advice(again=True, fresh_token=self._failures > 0)
        return Advice(again=True, fresh_token=False)

    def _refused(self, error: InvalidStatus) -> Advice:
        response = error.response
        self._closed = ConnectionClosed(response.status_code, response.reason_phrase)
        return after_refusal(response.status_code, response.headers.get("Retry-After", ""))

    async def _wait(self, advice: Advice) -> None:
        self._failures += 1
        self._set(State.WAITING)
        self._wake.clear()
        if advice.wait_s:
            await asyncio.sleep(advice.wait_s)
        left = delay(self._failures, advice.wait_s, self._random) - advice.wait_s
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left)):
                await self._wake.wait()

    async def _token(self, fresh: bool) -> Token:
        """Asks for a token. What goes wrong there is no end, unless it says so: it may be a
        proxy's page instead of JSON, and is asked for again."""
        try:
            return await self._tokens(fresh)
        except ConnectionClosed:
            raise
        except Exception as error:
            logger.warning("There was no token: %r", error)
            raise _NoToken from error

    async def _connect(self) -> None:
        token = await self._token(self._stale)
        headers = {"Authorization": f"Bearer {token.value}"}
        async with connect(
            self._url,
            subprotocols=[SUBPROTOCOL],
            additional_headers=headers,
            open_timeout=ANSWER_S,
            close_timeout=1,
            ping_interval=None,
            max_size=None,
        ) as socket:
            self._socket = socket
            renewing = asyncio.create_task(self._renew(token))
            try:
                await self._listen(socket)
            finally:
                renewing.cancel()

    async def _listen(self, socket: ClientConnection) -> None:
        """Until the connection ends: raises ConnectionClosed, or what a dead one raises."""
        silence_s = ANSWER_S
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    text = await socket.recv()
            except TimeoutError:
                await socket.close(RETURNING)
                raise
            except WebSocketException:
                code = socket.close_code or 1006
                raise ConnectionClosed(code, socket.close_reason or "") from None
            for line in str(text).split("\n"):
                frame = json.loads(line)
                if frame["type"] == "welcome":
                    silence_s = frame["heartbeat_s"] + ANSWER_S
                await self._hear(frame)

    async def _hear(self, frame: Frame) -> None:
        if frame["type"] == "ping":
            await self.send({"type": "pong"})
            return
        if frame["type"] == "welcome":
            self._stale = False
            self._opened_at = time.monotonic()
            self._set(State.OPEN)
        await self._take(frame)

    async def _renew(self, token: Token) -> None:
        """Extends the open connection with a new token, over and over."""
        while True:
            left = token.expires_at - time.time() - RENEW_BEFORE_S * (0.5 + self._random() / 2)
            await asyncio.sleep(max(LEAST_RENEWAL_S, left))
            try:
                token = await self._token(True)
            except _NoToken:
                continue
            except ConnectionClosed:
                return  # The connection lives as long as its token does.
            await self.send({"type": "refresh", "token": token.value})

    def _set(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._changed(state)
