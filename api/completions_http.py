"""OpenAI's chat completions and models, taken before Django: an answer streams for long, for
which Django would keep a thread."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

from api import completion_requests, completions, openai_errors
from api.bodies import json_object
from api.callers_http import Caller, caller
from api.completion_requests import Wanted
from api.completions import Completion
from api.openai_errors import UnknownPath
from generation.assistants_db import assistants
from generation.generations import FinishReason, Usage
from inference import metrics_prometheus as metrics
from inference.errors import NotFound, Overloaded, RtaiError, Unauthorized
from streams import answers, doors, lifespan, replies
from streams.clients import Client, service
from streams.generate_frames import Cancel, Generate
from streams.outbox import Outbox
from streams.threads_db import in_thread

Receive: TypeAlias = Callable[[], Awaitable[Mapping[str, Any]]]
Send: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
CHAT, MODELS = "/v1/chat/completions", "/v1/models"
SCOPE = "generate"
MAX_BODY = 1024 * 1024
PING_S = 15.0
JSON = b"application/json"
INTERRUPTED = "The answer was interrupted."
EVENTS = b"text/event-stream; charset=utf-8"

logger = logging.getLogger(__name__)


class OpenAIPaths:
    """Answers all paths below `/v1/`; everything else goes to the application behind it."""

    def __init__(self, otherwise: Application) -> None:
        self._otherwise = otherwise

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serves one request."""
        path = scope["path"]
        if not f"{path}/".startswith(openai_errors.BELOW):
            await self._otherwise(scope, receive, send)
            return
        call = Call(scope, receive, send)
        try:
            await _serve(call, path)
        except RtaiError as error:
            metrics.ERRORS.labels(error.code).inc()
            await call.fail(error)


class Call:
    """One request and its answer."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self.scope = scope
        self.receive = receive
        self.started = False
        self._send = send

    async def caller(self) -> Caller:
        """Who calls; raises Unauthorized, and Forbidden without the scope."""
        if not (key := doors.bearer(self.scope)):
            raise Unauthorized("An API key is needed: Authorization: Bearer KEY.")
        found = await in_thread(lambda: caller(key))
        found.require(SCOPE)
        return found

    async def body(self) -> Mapping[str, Any]:
        """The request's JSON object; raises BadFrame, and TooLarge over 1 MiB."""
        return await json_object(self.receive, MAX_BODY)

    async def begin(self, status: int, kind: bytes, more: Sequence[tuple[bytes, bytes]]) -> None:
        """The answer's head."""
        self.started = True
        headers = [
            (b"content-type", kind),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
            (b"x-request-id", uuid4().hex.encode()),
            *more,
        ]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        """A piece of the answer; returns when the transport took it."""
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, found: Mapping[str, Any]) -> None:
        """A whole answer."""
        body = json.dumps(found).encode()
        await self.begin(200, JSON, [(b"content-length", str(len(body)).encode())])
        await self.write(body, more=False)

    async def fail(self, error: RtaiError) -> None:
        """An error, as an event where the answer has begun."""
        found = openai_errors.body(error)
        if self.started:
            await self.write(completions.event(found), more=False)
            return
        named = openai_errors.headers(error)
        pairs = [(name.encode(), value.encode()) for name, value in named.items()]
        await self.begin(openai_errors.status(error), JSON, pairs)
        await self.write(json.dumps(found).encode(), more=False)


async def _serve(call: Call, path: str) -> None:
    name = path.removeprefix(f"{MODELS}/") if path.startswith(f"{MODELS}/") else ""
    if path not in (CHAT, MODELS) and not name:
        raise UnknownPath(f"There is no path {path[:200]} here.")
    wanted_method = "POST" if path == CHAT else "GET"
    if call.scope["method"] != wanted_method:
        raise openai_errors.WrongMethod(wanted_method)
    found = await call.caller()
    if path == CHAT:
        wanted = completion_requests.wanted(await call.body(), uuid4().hex)
        gateway = await lifespan.gateway()
        if gateway.draining:
            raise Overloaded("Shutting down.", retry_after_ms=1_000)
        await Asking(call, found, wanted, gateway).serve()
        return
    names = await in_thread(lambda: _models(found.site))
    if path == MODELS:
        await call.answer({"object": "list", "data": [completions.model(name) for name in names]})
    elif name in names:
        await call.answer(completions.model(name))
    else:
        raise NotFound("There is no such model here.")


def _models(site: str) -> list[str]:
    """The models of the site's assistant that are switched on."""
    book = assistants()
    assistant = book.assistant(site, None)
    return [name for name in (assistant.models if assistant else ()) if book.model(name)]


class Asking:
    """One answer on its way to a program; to the gateway it looks like a session."""

    def __init__(
        self, call: Call, caller: Caller, wanted: Wanted, gateway: "lifespan.Gateway"
    ) -> None:
        self.id = uuid4().hex
        self.client = _client(caller, wanted, self.id)
        self.outbox = Outbox(self._write, self._stop, failed=self._stop, clock=time.monotonic)
        self._call = call
        self._wanted = wanted
        self._gateway = gateway
        self._completion = Completion("", "", 0)
        self._text = ""
        self._last: Mapping[str, Any] | None = None
        self._over = asyncio.Event()

    async def serve(self) -> None:
        """Returns when the answer has ended, or when the program hung up; raises RtaiError."""
        gone = asyncio.create_task(_gone(self._call.receive))
        over = asyncio.create_task(self._over.wait())
        try:
            await self._gateway.generating.serve(self, Generate(self._wanted.asked))
            while not (gone.done() or self._over.is_set()):
                done, _ = await asyncio.wait(
                    {gone, over}, timeout=PING_S, return_when="FIRST_COMPLETED"
                )
                if not done:
                    self.outbox.put_droppable(replies.PING, "ping")
            if self._last is None:
                await self._cancel()
            await self.outbox.drained()
            if not gone.done():
                await (self._break_off() if self._last is None else self._end(self._last))
        finally:
            gone.cancel()
            over.cancel()
            self._gateway.generating.leave(self)

    async def _cancel(self) -> None:
        """Stops the model: nobody will read what it writes."""
        try:
            await self._gateway.generating.serve(self, Cancel(ref=self._wanted.asked.ref))
        except RtaiError as error:
            logger.info("An answer that nobody reads goes on: %s", error.detail)

    async def _write(self, text: str) -> None:
        for frame in text.split("\n"):
            await self._take(json.loads(frame))

    async def _take(self, frame: Mapping[str, Any]) -> None:
        """Puts one frame into OpenAI's words; the last one is left to `serve`, a task that may
        read what else is known of the end."""
        kind, streams = frame["type"], self._wanted.streams
        if kind == "start":
            usage = self._wanted.usage_at_end
            self._completion = Completion(frame["id"], frame["model"], int(time.time()), usage)
            if streams:
                await self._call.begin(200, EVENTS, [(b"x-accel-buffering", b"no")])
                await self._call.write(self._completion.first())
        elif kind == "token" and streams:
            await self._call.write(self._completion.piece(frame["text"]))
        elif kind == "token":
            self._text += frame["text"]
        elif kind == "ping" and self._call.started:
            await self._call.write(completions.WAITING)
        elif kind in ("done", "error") and not self._over.is_set():
            self._last = frame
            self._over.set()

    async def _end(self, frame: Mapping[str, Any]) -> None:
        reason = FinishReason(frame.get("finish_reason", FinishReason.INTERRUPTED))
        if reason is FinishReason.INTERRUPTED:
            await self._call.fail(await self._why(frame))
        elif not self._completion.id:
            await self._end_unstarted(frame, reason)
        elif self._wanted.streams:
            await self._call.write(self._completion.last(reason, _usage(frame)), more=False)
        else:
            text = "" if reason is FinishReason.BLOCKED else self._text
            await self._call.answer(self._completion.whole(text, reason, _usage(frame)))

    async def _end_unstarted(self, frame: Mapping[str, Any], reason: FinishReason) -> None:
        """A prompt that was blocked, or cancelled before the model began."""
        model = self._wanted.asked.model or ""
        await self._take({"type": "start", "id": frame["id"], "model": model})
        await self._end({**frame, "finish_reason": reason.value})

    async def _break_off(self) -> None:
        """Ends an answer that could not be written on."""
        try:
            await self._call.fail(answers.error("", INTERRUPTED))
        except OSError as error:
            logger.info("A program was gone before the end of its answer: %r", error)

    async def _why(self, frame: Mapping[str, Any]) -> RtaiError:
        """The error that interrupted the answer."""
        snapshot = await self._gateway.generations.read(frame["id"])
        if snapshot is None:
            return answers.error("", INTERRUPTED)
        detail = snapshot.detail or INTERRUPTED
        return answers.error(snapshot.code, detail, snapshot.retry_after_ms)

    def _stop(self) -> None:
        self._over.set()


def _client(caller: Caller, wanted: Wanted, session: str) -> Client:
    """The program as the gateway knows its clients; limits count its key, and whom it names."""
    return Client(
        site=caller.site,
        user=wanted.user or service(caller.key),
        name=caller.name[:64],
        role="member",
        streams=frozenset(),
        session=session,
        address="",
        expires_ms=2**53,
        api_key=caller.key,
    )


def _usage(frame: Mapping[str, Any]) -> Usage:
    found = frame["usage"]
    return Usage(found["prompt_tokens"], found["completion_tokens"])


async def _gone(receive: Receive) -> None:
    """Returns when the program has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
