"""The streams that a client is attached to, or has asked for."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from rtai_client.errors import Refused
from rtai_client.places import Frame, Place, Step

Tell = Callable[[Mapping[str, Any]], Awaitable[None]]


class Subscriptions:
    """`send` reaches the server, `deliver` the readers of frames."""

    def __init__(self, send: Tell, deliver: Tell) -> None:
        self._send = send
        self._deliver = deliver
        self._places: dict[str, Place] = {}
        self._asked: deque[str] = deque()
        """Streams asked for on this connection without an answer yet, in order: errors that
        answer a `subscribe` do not name its stream, but answers keep the order."""
        self._waiting: dict[asyncio.Future[Frame], str] = {}

    async def add(self, stream: str, recent: int) -> Frame:
        """Attaches to a stream and returns its `subscribed` frame; raises Refused."""
        place = self._places[stream] = Place(stream, recent)
        waits: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self._waiting[waits] = stream
        try:
            await self._ask(place)
            return await waits
        finally:
            self._waiting.pop(waits, None)

    async def remove(self, stream: str) -> None:
        """Detaches from a stream; whoever still waits for it is told."""
        if self._places.pop(stream, None) is not None:
            taken_back = {"code": "unsubscribed", "detail": "The subscription was taken back."}
            self._fail(stream, Refused(taken_back))
            await self._send({"type": "unsubscribe", "stream": stream})

    async def open(self) -> None:
        """Asks for everything on a new connection."""
        self._asked.clear()
        for place in list(self._places.values()):
            if self._places.get(place.stream) is place:
                await self._ask(place)

    async def ask_again(self) -> None:
        """Asks once more for what was refused for now."""
        for place in list(self._places.values()):
            if not place.is_live and place.stream not in self._asked:
                await self._ask(place)

    async def take(self, frame: Frame) -> None:
        """Takes a frame of a stream, or one that belongs to none."""
        place = self._places.get(frame.get("stream", ""))
        if place is None or "offset" not in frame:
            await self._deliver(frame)
            return
        step = place.take(frame)
        if step is Step.GAP:
            await self._ask(place)
        elif step is Step.NEXT:
            await self._deliver(frame)

    async def answer(self, frame: Frame) -> None:
        """Takes `subscribed`. Where the stream was asked for again, the last answer counts."""
        stream = frame["stream"]
        if stream in self._asked:
            self._asked.remove(stream)
        place = self._places.get(stream)
        if place is None or stream in self._asked:
            return
        if not place.subscribed(frame):
            await self._deliver({"type": "reset", "stream": stream})
            await self._ask(place)
            return
        for waits, name in self._waiting.items():
            if name == stream and not waits.done():
                waits.set_result(frame)
        await self._deliver(frame)

    async def refuse(self, error: Refused) -> None:
        """Takes an error that answers the oldest open question; a later one for the same stream
        still counts. Readers hear of a stream that was refused with nobody waiting for it."""
        stream = self._asked.popleft()
        if error.retryable or stream in self._asked or stream not in self._places:
            return
        del self._places[stream]
        if not self._fail(stream, error):
            await self._deliver({"type": "unsubscribed", "stream": stream, "reason": error.code})

    async def end(self, frame: Frame) -> None:
        """Takes `unsubscribed`; unasked, with a `reason`, the stream or the right to it is gone."""
        stream = frame["stream"]
        if "reason" in frame and stream not in self._asked:
            self._places.pop(stream, None)
        await self._deliver(frame)

    @property
    def are_asked(self) -> bool:
        """Whether the server owes an answer."""
        return bool(self._asked)

    def close(self, error: Exception) -> None:
        """Nothing more comes."""
        for stream in set(self._waiting.values()):
            self._fail(stream, error)

    def _fail(self, stream: str, error: Exception) -> bool:
        """Whether anybody waited."""
        found = [waits for waits, name in self._waiting.items() if name == stream]
        waiting = [waits for waits in found if not waits.done()]
        for waits in waiting:
            waits.set_exception(error)
        return bool(waiting)

    async def _ask(self, place: Place) -> None:
        self._asked.append(place.stream)
        await self._send(place.request())
