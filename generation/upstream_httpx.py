"""Writes answers with a server that speaks OpenAI's chat completions."""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from generation import upstream_requests
from generation.assistants import ModelSettings
from generation.lines_httpx import Lease, Line, Lines
from generation.upstream_events import BadUpstream, Delta, WholeCharacters, deltas
from inference.errors import ModelUnavailable, RtaiError
from inference.generator import Cancellation, Ended, Generator, Piece, Prompt, Turn

ATTEMPTS = 3
FIRST_PAUSE_S = 0.25
MAX_PAUSE_S = 10.0
"""A server that asks for more patience than this is not asked again."""
MAX_ERROR_BYTES = 16 * 1024
LIMITS = ("max_tokens", "max_completion_tokens")
"""How servers call the limit of an answer; the second is what newer models of OpenAI want."""


class _Again(Exception):
    """The same request may succeed a little later: nothing came of it yet."""

    def __init__(self, error: RtaiError, pause_s: float | None = None) -> None:
        super().__init__(error.detail)
        self.error = error
        self.pause_s = pause_s


class Upstream(Generator):
    """Asks one model of one server. The key is sent to that server and shown to nobody.

    `pause` waits so many seconds, or until the event is set; `dice` spreads repeated requests.
    """

    name = "openai"

    def __init__(
        self,
        settings: ModelSettings,
        lines: Lines | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[threading.Event, float], object] = threading.Event.wait,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._lines = lines or Lines()
        self._clock = clock
        self._pause = pause
        self._dice = dice
        self._limit = LIMITS[0]

    @property
    def version(self) -> str:
        return self._settings.upstream_model

    @property
    def context_tokens(self) -> int:
        return self._settings.context_tokens

    @property
    def stall_s(self) -> float:
        """Longer than its own timeouts in all attempts, which say better what went wrong."""
        once_s = self._settings.connect_timeout_s + self._settings.token_timeout_s
        return super().stall_s + ATTEMPTS * once_s

    def count_tokens(self, turns: Sequence[Turn]) -> int:
        return upstream_requests.estimate(turns)

    def generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        upstream_requests.check_size(self._settings, prompt.turns)
        return self._generate(prompt, cancellation)

    def _generate(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        """Asks again while nothing came, and a repetition may help."""
        cancelled = threading.Event()
        cancellation.on_cancel(cancelled.set)
        for attempt in range(ATTEMPTS):
            try:
                yield from self._attempt(prompt, cancellation)
                return
            except _Again as again:
                pause_s = self._pause_s(attempt, again)
                if attempt + 1 == ATTEMPTS or pause_s > MAX_PAUSE_S:
                    raise again.error from None
                self._pause(cancelled, pause_s)
            if cancellation.cancelled:
                return

    def _pause_s(self, attempt: int, again: _Again) -> float:
        if again.pause_s is not None:
            return again.pause_s
        return FIRST_PAUSE_S * 2.0**attempt * (0.5 + self._dice())

    def _attempt(self, prompt: Prompt, cancellation: Cancellation) -> Iterator[Piece | Ended]:
        shown = False
        with self._lines.lease() as lease:
            cancellation.on_cancel(lease.cut)
            try:
                with self._response(lease.line, prompt) as response:
                    for piece in self._pieces(prompt, response, lease):
                        if cancellation.cancelled:
                            return
                        shown = True
                        yield piece
            except (httpx.HTTPError, RtaiError, _Again) as error:
                # A connection that we cut ends in one of many ways.
                if not cancellation.cancelled:
                    raise _meant(error, again=not shown) from None

    @contextmanager
    def _response(self, line: Line, prompt: Prompt) -> Iterator[httpx.Response]:
        response = line.client.send(self._request(line, prompt), stream=True)
        try:
            self._check(response)
            yield response
        finally:
            response.close()

    def _request(self, line: Line, prompt: Prompt) -> httpx.Request:
        settings = self._settings
        headers = {"accept": "text/event-stream"}
        if settings.api_key:
            headers["authorization"] = f"Bearer {settings.api_key}"
        timeout = httpx.Timeout(settings.token_timeout_s, connect=settings.connect_timeout_s)
        try:
            return line.client.build_request(
                "POST",
                f"{settings.base_url.rstrip('/')}/chat/completions",
                json=upstream_requests.body(settings, prompt, limit=self._limit),
                headers=headers,
                timeout=timeout,
                extensions={"trace": line.trace},
            )
        except (httpx.InvalidURL, ValueError):
            raise ModelUnavailable(
                "The address or the key of the model's server is not valid."
            ) from None

    def _check(self, response: httpx.Response) -> None:
        """Raises what the status means, or that the answer is no stream of events."""
        if response.status_code != 200:
            raise self._refused(response)
        kind = response.headers.get("content-type", "")
        if not kind.lower().startswith("text/event-stream"):
            raise BadUpstream("The model's server does not answer with a stream of events.")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise BadUpstream("The model's server compresses its answer, though not asked to.")

    def _refused(self, response: httpx.Response) -> Exception:
        until = self._clock() + self._settings.token_timeout_s
        content = _beginning(response, lambda: self._clock() > until)
        status = response.status_code
        if status == 400 and self._limit == LIMITS[0] and _names(content, LIMITS[0]):
            self._limit = LIMITS[1]
            return _Again(upstream_requests.refusal(status, content, None), 0.0)
        wait_s = upstream_requests.retry_after_s(response.headers.get("retry-after"))
        error = upstream_requests.refusal(status, content, wait_s)
        return _Again(error, wait_s) if status in upstream_requests.RETRIED else error

    def _pieces(
        self, prompt: Prompt, response: httpx.Response, lease: Lease
    ) -> Iterator[Piece | Ended]:
        whole, finish, usage, count = WholeCharacters(), None, None, 0
        chunks = response.iter_raw()
        for delta in self._in_time(chunks):
            finish, usage = delta.finish or finish, delta.usage or usage
            if text := whole.push(delta.text):
                count += 1
                yield Piece(text)
        if finish is None:
            raise BadUpstream("The model's server ended its answer without a reason.")
        lease.drain(chunks)
        yield Ended(finish, *(usage or (self.count_tokens(prompt.turns), count)))

    def _in_time(self, chunks: Iterator[bytes]) -> Iterator[Delta]:
        """The events; what only keeps the connection alive does not count as the next token, and
        neither does a part of one. The time that its reader takes is not the server's."""
        since = self._clock()

        def watched() -> Iterator[bytes]:
            for chunk in chunks:
                if self._clock() - since > self._settings.token_timeout_s:
                    raise _late()
                yield chunk

        for delta in deltas(watched()):
            if delta is not None:
                yield delta
                since = self._clock()


def _meant(error: Exception, *, again: bool) -> Exception:
    """What a broken connection means; texts of the library may hold what we sent."""
    if not isinstance(error, httpx.HTTPError):
        return error
    if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
        return _late()
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        unreachable = ModelUnavailable("The model's server cannot be reached.")
        return _Again(unreachable) if again else unreachable
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return _invalid()
    broken = ModelUnavailable("The model's server broke off.")
    return _Again(broken) if again else broken


def _invalid() -> ModelUnavailable:
    return ModelUnavailable("The address or the key of the model's server is not valid.")


def _late() -> ModelUnavailable:
    return ModelUnavailable("The model's server took too long for its next token.")


def _beginning(response: httpx.Response, late: Callable[[], bool]) -> bytes:
    """An error's body, as far as it matters and comes in time."""
    found = b""
    for chunk in response.iter_raw():
        found += chunk
        if len(found) > MAX_ERROR_BYTES or late():
            break
    return found[:MAX_ERROR_BYTES]


def _names(content: bytes, parameter: str) -> Any:
    """Whether a refusal is about this parameter."""
    return upstream_requests.error_fields(content).get("param") == parameter
