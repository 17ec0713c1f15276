"""Messages, streams and answers over a connection that survives drops."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from random import random as fraction
from typing import Any
from uuid import uuid4

from rtai_client.answers import Answer
from rtai_client.errors import ConnectionClosed, Refused
from rtai_client.link import Link
from rtai_client.places import Frame
from rtai_client.posted import Posted
from rtai_client.reconnecting import State
from rtai_client.subscriptions import Subscriptions
from rtai_client.tokens import Tokens

REF_LIFE_S = 270.0
"""The server knows a `ref` for 5 minutes; sent again later, a message would be judged twice."""
UNAUTHORIZED = "unauthorized"
"""Answers a `refresh`, never a subscription."""
UNCONFIRMED = {"code": "unconfirmed", "detail": "Nobody knows its fate."}
QUEUE = 1_000
"""Frames that an iterator of `frames` may be behind before reading stops."""


class Client:
    """Use it with `async with`; see README.md. `on_state` hears of every change."""

    def __init__(
        self,
        url: str,
        tokens: Tokens,
        *,
        on_state: Callable[[State], None] = lambda state: None,
        random: Callable[[], float] = fraction,
        ref_life_s: float = REF_LIFE_S,
    ) -> None:
        self._link = Link(url, tokens, self._take, self._set, random)
        self._on_state = on_state
        self._ref_life_s = ref_life_s
        self._subscriptions = Subscriptions(self._send, self._deliver)
        self._outbox: dict[str, Posted] = {}
        self._answers: dict[str, Answer] = {}
        self._readers: set[asyncio.Queue[Frame | None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._closed: Exception = ConnectionClosed(1000, "")

    @property
    def state(self) -> State:
        """Of the connection."""
        return self._link.state

    async def __aenter__(self) -> "Client":
        """Connects; raises ConnectionClosed if the server will never have it."""
        self._later(self._run())
        try:
            while self.state not in (State.OPEN, State.CLOSED):
                self._changed.clear()
                await self._changed.wait()
            self._raise_if_closed()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes; whatever waits for an answer gets ConnectionClosed."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end(ConnectionClosed(1000, "closed by this side"))

    def wake(self) -> None:
        """The network came back: tries again at once."""
        self._link.wake()

    async def subscribe(self, stream: str, recent: int = 0) -> Frame:
        """Attaches to a stream and returns its `subscribed` frame; raises Refused."""
        self._raise_if_closed()
        return await self._subscriptions.add(stream, recent)

    async def unsubscribe(self, stream: str) -> None:
        """Detaches from a stream."""
        await self._subscriptions.remove(stream)

    async def send(self, stream: str, text: str, ref: str | None = None) -> Frame:
        """Sends a message, again after each reconnect, until it has a verdict; returns that.

        Whoever sends it once more with its `ref` while it is under way waits for the same verdict.
        Raises Refused, also for one that is too old to be sent again without being doubled, and
        ValueError for a `ref` under which another message is under way.
        """
        self._raise_if_closed()
        ref = ref or uuid4().hex
        frame = {"type": "message", "stream": stream, "ref": ref, "text": text}
        known = self._outbox.get(ref)
        if known is not None and known.frame != frame:
            raise ValueError(f"Another message is under way as {ref!r}; take another ref.")
        posted = self._outbox[ref] = known or Posted(frame)
        try:
            return await posted.wait(None if known else self._put(posted))
        finally:
            if posted.verdict.done() and self._outbox.get(ref) is posted:
                del self._outbox[ref]

    async def remove(self, stream: str, id: str) -> None:
        """Removes a message of one's own; a moderator any. The `removed` frame is the answer."""
        await self._send({"type": "remove", "stream": stream, "id": id})

    async def generate(self, messages: Sequence[Mapping[str, str]], **options: Any) -> Answer:
        """Asks the assistant; `options` are the fields of the frame `generate`."""
        self._raise_if_closed()
        request = {"type": "generate", "ref": uuid4().hex, "messages": list(messages), **options}
        answer = self._answers[request["ref"]] = Answer(request, self._send)
        await self._put(answer)
        return answer

    def frames(self) -> AsyncIterator[Frame]:
        """Everything that concerns the subscribed streams, from this call on; ends with the
        client."""
        queue: asyncio.Queue[Frame | None] = asyncio.Queue(QUEUE)
        if self.state is State.CLOSED:
            queue.put_nowait(None)
        self._readers.add(queue)
        return self._read(queue)

    async def _read(self, queue: asyncio.Queue[Frame | None]) -> AsyncIterator[Frame]:
        try:
            while (frame := await queue.get()) is not None:
                yield frame
        finally:
            self._readers.discard(queue)
            while not queue.empty():  # Reading goes on, where it waited for room.
                queue.get_nowait()

    async def _run(self) -> None:
        end: Exception = ConnectionClosed(1000, "closed by this side")
        try:
            end = await self._link.run()
        except Exception as error:
            end = error
        finally:
            await self._end(end)

    async def _take(self, frame: Frame) -> None:
        match frame["type"]:
            case "welcome":
                await self._opened()
            case "subscribed":
                await self._subscriptions.answer(frame)
            case "start" | "token" | "done":
                await self._answered(frame)
            case "verdict":
                self._decided(frame)
            case "error":
                await self._failed(frame)
            case "unsubscribed":
                await self._subscriptions.end(frame)
            case _:
                await self._subscriptions.take(frame)

    async def _opened(self) -> None:
        await self._subscriptions.open()
        for posted in list(self._outbox.values()):
            if self._is_forgotten(posted):
                posted.fail(Refused(UNCONFIRMED))
            else:
                await self._put(posted)
        for answer in list(self._answers.values()):
            if self._is_forgotten(answer) and not answer.id:
                self._answers.pop(answer.request["ref"], None)
                await answer.fail(Refused(UNCONFIRMED))
            else:
                await self._put(answer)

    def _is_forgotten(self, asked: Posted | Answer) -> bool:
        """Whether the server may not know its `ref` any more."""
        return asked.since is not None and time.monotonic() - asked.since > self._ref_life_s

    async def _put(self, asked: Posted | Answer) -> None:
        """Sends it, or leaves it to the next connection."""
        if self.state is State.OPEN:
            asked.since = asked.since or time.monotonic()
        await self._send(asked.again())
        if isinstance(asked, Answer) and asked.is_unwanted:
            await asked.cancel()

    async def _answered(self, frame: Frame) -> None:
        """A frame of an answer: ours by its `ref` or `id`, or one that a stream shows."""
        ours = [
            answer
            for ref, answer in self._answers.items()
            if ref == frame.get("ref") or (answer.id and answer.id == frame["id"])
        ]
        for answer in ours:
            await answer.take(frame)
            if answer.is_over:
                self._answers.pop(answer.request["ref"], None)
        if not ours or ours[0].request.get("stream"):
            await self._deliver(frame)

    def _decided(self, frame: Frame) -> None:
        if (posted := self._outbox.get(frame["ref"])) is not None and not posted.verdict.done():
            posted.verdict.set_result(frame)

    async def _failed(self, frame: Frame) -> None:
        ref, error = frame.get("ref"), Refused(frame)
        if ref in self._outbox:
            self._outbox[ref].fail(error)
        elif (answer := self._answer(ref, frame.get("id"))) is not None:
            await self._unanswered(answer, frame, error)
        elif "ref" in frame or "id" in frame or error.code == UNAUTHORIZED:
            await self._deliver(frame)
        else:
            await self._unnamed(frame, error)

    def _answer(self, ref: str | None, id: str | None) -> Answer | None:
        found = (each for each in self._answers.values() if id and each.id == id)
        return self._answers.get(ref or "") or next(found, None)

    async def _unanswered(self, answer: Answer, frame: Frame, error: Refused) -> None:
        """A question was refused; or, for now or for good, a `resume` or a `cancel`."""
        if error.retryable and (answer.id or answer.is_unwanted):
            self._later(self._go_on(answer, error.wait_s))
        else:
            self._answers.pop(answer.request["ref"], None)
            await answer.take(frame)

    async def _go_on(self, answer: Answer, seconds: float) -> None:
        """Resumes what has begun, and says once more what is unwanted."""
        await asyncio.sleep(seconds)
        if answer.id and not answer.is_over:
            await self._put(answer)
        else:
            await answer.cancel()

    async def _unnamed(self, frame: Frame, error: Refused) -> None:
        """An error that names nothing answers a subscription, if any is to be answered."""
        if self._subscriptions.are_asked:
            await self._subscriptions.refuse(error)
        elif not error.retryable:
            await self._deliver(frame)
        if error.retryable:
            self._later(self._ask_again(error.wait_s))

    async def _ask_again(self, seconds: float) -> None:
        """Asks once more for subscriptions that were refused for now."""
        await asyncio.sleep(seconds)
        await self._subscriptions.ask_again()

    async def _deliver(self, frame: Frame) -> None:
        for queue in list(self._readers):
            await queue.put(frame)

    async def _send(self, frame: Mapping[str, Any]) -> None:
        """Sends if the connection is open; what matters is sent again when it is."""
        await self._link.send(frame)

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, error: Exception) -> None:
        """Whatever waits gets the error, also where the caller's `on_state` fails."""
        self._closed = error
        try:
            self._link.close()
        finally:
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        self._subscriptions.close(error)
        for posted in self._outbox.values():
            posted.fail(error)
        for answer in self._answers.values():
            await answer.fail(error)
        for queue in self._readers:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)

    def _raise_if_closed(self) -> None:
        if self.state is State.CLOSED:
            raise self._closed

    def _set(self, state: State) -> None:
        self._changed.set()
        self._on_state(state)
