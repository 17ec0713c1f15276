"""Answers as one gateway hears of them, and who of its sessions gets which.

A process follows a generation once, whatever the number of its sessions that do: in a group of its
own where it is private, in the stream's group where it belongs to a stream. What the bus lost is
made up for by reading the generation as it is stored.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from generation import keys
from generation.generations import FinishReason, Generation, Snapshot, Status, Usage
from generation.store import Generations
from inference.errors import NotFound, Overloaded
from streams import endings
from streams.answers import Answer, Asker, about, failure
from streams.clients import Client
from streams.directory import Directory, StreamInfo
from streams.hub import Bus, Hub

QUIET_S = 2.0
"""A generation that nothing was heard of for so long is read, in case the bus lost something."""
NOT_YET = float("inf")
"""When something is heard of a generation that is not stored yet."""
LOST = Usage()

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where news of generations comes from. `clock` is in seconds; `sent` counts frames by type."""

    hub: Hub
    bus: Bus
    directory: Directory
    generations: Generations
    gate: asyncio.Semaphore
    clock: Callable[[], float]
    sent: Callable[[str, int], None] = lambda kind, count: None


@dataclass(slots=True)
class Room:
    """A stream whose group this process is in: who reads it here, and what is answered in it."""

    audience: dict[str, Asker] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)


class Following:
    """All answers that sessions of this process follow. Implements `streams.hub.Companion`."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._answers: dict[str, Answer] = {}
        self._rooms: dict[tuple[str, str], Room] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def enter(self, session: Asker, stream: str) -> list[Mapping[str, str]]:
        """The answers under way in a stream; all that follows them is sent to the session."""
        if (room := self._rooms.get((session.client.site, stream))) is None:
            return []
        room.audience[session.id] = session
        answers = room.answers.values()
        for answer in answers:
            asked = session.id in answer.cursors and answer.cursors[session.id].asked
            answer.attach(session, len(answer.text), told=True, asked=asked)
        return [{"id": each.id, "user": each.owner, "text": each.text} for each in answers]

    def depart(self, session: Asker, stream: str) -> None:
        """Sends a session nothing more of a stream, but what it asked for itself and still may."""
        if (room := self._rooms.get((session.client.site, stream))) is None:
            return
        room.audience.pop(session.id, None)
        for answer in room.answers.values():
            cursor = answer.cursors.get(session.id)
            if cursor and not (cursor.asked and session.client.may_use(stream)):
                answer.detach(session.id)

    def leave(self, session: Asker) -> list[str]:
        """Sends a session nothing more at all; ids of its user's answers that it asked for."""
        asked = []
        for answer in self._answers.values():
            if (cursor := answer.detach(session.id)) is not None:
                self._soon(f"leave {answer.id}", self.let_go(answer))
                asked += [answer.id] if cursor.asked and answer.is_of(session.client) else []
        return asked

    def known(self, generation: Generation) -> Answer:
        """The answer that a generation is."""
        if (answer := self._answers.get(generation.id)) is None:
            answer = Answer(about(generation), self._sources.clock(), self._sources.sent)
            self._answers[generation.id] = answer
        return answer

    def named(self, client: Client, ref: str) -> str | None:
        """The id of the user's generation with this `ref`, if it is followed here."""
        for answer in self._answers.values():
            if answer.ref == ref and answer.is_of(client):
                return answer.id
        return None

    async def find(self, id: str) -> tuple[Answer, Snapshot | None]:
        """A generation that is followed already, or as it is stored.

        Raises NotFound, or Overloaded.
        """
        if (answer := self._answers.get(id)) is not None:
            return answer, None
        if (snapshot := await self._stored(id)) is None:
            raise NotFound("There is no such generation.")
        found = about(snapshot.generation)
        return Answer(found, self._sources.clock(), self._sources.sent), snapshot

    async def follow(
        self, session: Asker, answer: Answer, snapshot: Snapshot | None, start: int, *, told: bool
    ) -> None:
        """Sends a session what follows the character `start` of what was found.

        `told` says that it needs no `start`, unless the answer begins only later.
        Raises Overloaded.
        """
        if snapshot is not None and snapshot.finish is not None:
            answer.attach(session, start, told=told)
            answer.take(snapshot)
            return
        answer = self._answers.setdefault(answer.id, answer)
        begun = answer.has_started or (snapshot is not None and snapshot.status is Status.RUNNING)
        cursor = answer.attach(session, start, told=told and begun, asked=True)
        if answer.has_started:
            cursor.start()
            cursor.advance()
        try:
            await self.hear(answer)
        except BaseException:
            await self.drop(session, answer)
            raise
        if snapshot is not None:
            await self._read(answer)

    async def hear(self, answer: Answer) -> None:
        """Hears what is announced of an answer; raises Overloaded, or NotFound for its stream."""
        if answer.is_heard or answer.is_home:
            return
        answer.is_heard = True
        try:
            if answer.stream:
                await self._sources.hub.hold(self._stream(answer.site, answer.stream))
            else:
                await self._sources.bus.join(keys.group(answer.id))
        except BaseException:
            answer.is_heard = False
            raise

    async def drop(self, session: Asker, answer: Answer) -> None:
        """Ends what a session asked for and did not get."""
        answer.detach(session.id)
        await self.let_go(answer)

    async def let_go(self, answer: Answer) -> None:
        """Hears no more of an answer that is over, or that nobody here asked for."""
        if not answer.is_over and any(each.asked for each in answer.cursors.values()):
            return
        room = self._rooms.get((answer.site, answer.stream))
        if answer.is_over or room is None or answer.id not in room.answers:
            self._answers.pop(answer.id, None)
        heard, answer.is_heard = answer.is_heard, False
        if heard and answer.stream:
            self._sources.hub.release(answer.site, answer.stream)
        elif heard:
            await self._sources.bus.leave(keys.group(answer.id))

    async def joined(self, stream: StreamInfo) -> None:
        """See `streams.hub.Companion`: learns what is under way in the stream."""
        self._rooms.setdefault((stream.site, stream.name), Room())
        for snapshot in await self._sources.generations.running(stream.site, stream.name):
            self._take(self.known(snapshot.generation), snapshot)

    def left(self, stream: StreamInfo) -> None:
        """See `streams.hub.Companion`."""
        room = self._rooms.pop((stream.site, stream.name), Room())
        for id in room.answers:
            self._answers.pop(id, None)

    def receive(self, message: Mapping[str, Any]) -> None:
        """Takes an announcement from the bus."""
        kind, answer = message["type"], self._answers.get(message["id"])
        if answer is None:
            self._meet(message)
            return
        answer.heard = self._sources.clock()
        if kind == "generation.start":
            self._start(answer, message["model"])
        elif kind == "generation.done":
            self._done(answer, message)
        elif not answer.has_started or not answer.grow(message["from"], message["text"]):
            self._soon(answer.id, self._read(answer))

    async def check(self) -> None:
        """Reads what nothing was heard of for a while."""
        now = self._sources.clock()
        quiet = [each for each in self._answers.values() if now - each.heard >= QUIET_S]
        await asyncio.gather(*(self._read(answer) for answer in quiet))

    async def stop(self) -> None:
        """Ends the work under way."""
        await endings.end(self._tasks.values())

    def _meet(self, message: Mapping[str, Any]) -> None:
        """What others asked in a stream that is read here is followed from its first news on."""
        if (message["site"], message["stream"]) not in self._rooms:
            return
        if message["type"] == "generation.start":
            answer = Answer(message, self._sources.clock(), self._sources.sent)
            self._answers[answer.id] = answer
            self._start(answer, message["model"])
        elif message["type"] == "generation.token":
            self._soon(message["id"], self._learn(message["id"]))

    async def _learn(self, id: str) -> None:
        """Reads a generation of whose start nothing was heard; its next piece may try again."""
        with contextlib.suppress(Overloaded):
            if (snapshot := await self._stored(id)) is not None and snapshot.finish is None:
                self._take(self.known(snapshot.generation), snapshot)

    async def _stored(self, id: str) -> Snapshot | None:
        async with self._sources.gate:
            return await self._sources.generations.read(id)

    async def _read(self, answer: Answer) -> None:
        """Catches up with an answer as it is stored; one that is stored no more is over."""
        try:
            snapshot = await self._stored(answer.id)
        except Overloaded as error:
            logger.warning("A generation will be read again: %s", error)
            return
        if answer.is_over:
            return
        answer.heard = self._sources.clock()
        if snapshot is not None:
            self._take(answer, snapshot)
        else:
            answer.end(FinishReason.INTERRUPTED, LOST)
            self._forget(answer)

    def _take(self, answer: Answer, snapshot: Snapshot) -> None:
        if snapshot.status is Status.RUNNING:
            self._show(answer)
        answer.take(snapshot)
        if answer.is_over:
            self._forget(answer)

    def _start(self, answer: Answer, model: str) -> None:
        self._show(answer)
        answer.start(model)

    def _show(self, answer: Answer) -> None:
        """Lets everybody in the answer's stream follow it who does not yet."""
        if (room := self._rooms.get((answer.site, answer.stream))) is None:
            return
        room.answers[answer.id] = answer
        for session in room.audience.values():
            if session.id not in answer.cursors:
                answer.attach(session, 0, told=False)

    def _done(self, answer: Answer, message: Mapping[str, Any]) -> None:
        reason = FinishReason(message["finish_reason"])
        if reason is not FinishReason.BLOCKED and message["length"] > len(answer.text):
            self._soon(answer.id, self._read(answer))
            return
        usage = Usage(message["prompt_tokens"], message["completion_tokens"])
        wait_ms = message.get("retry_after_ms")
        answer.end(reason, usage, failure(message["code"], message["detail"], wait_ms))
        self._forget(answer)

    def _forget(self, answer: Answer) -> None:
        if (room := self._rooms.get((answer.site, answer.stream))) is not None:
            room.answers.pop(answer.id, None)
        self._answers.pop(answer.id, None)
        self._soon(f"leave {answer.id}", self.let_go(answer))

    def _stream(self, site: str, stream: str) -> StreamInfo:
        if (found := self._sources.directory.stream(site, stream)) is None:
            raise NotFound("There is no such stream.")
        return found

    def _soon(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Does work beside, unless the same is being done."""
        if name in self._tasks:
            work.close()
            return
        task = self._tasks[name] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._tasks.pop(name, None))
