"""What sessions ask of the assistant: an answer, the rest of one, or its end."""

import logging
from asyncio import Semaphore
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from generation.asking import Asked
from generation.assistants import AssistantBook
from generation.generations import Generation, Snapshot
from generation.store import Admitted, Generations, Requester
from inference.errors import Forbidden, NotFound, Overloaded
from policy.messages import Author
from streams.answers import Answer, Asker
from streams.attendance import Attendance
from streams.clients import Client
from streams.following import NOT_YET, Following
from streams.generate_frames import Cancel, Generate, Resume

BEHIND_ALL = 2**63
"""A place after every text: whoever is there gets `done` only."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Makers:
    """Who makes answers.

    `compose` raises RtaiError. `dispatch` tells a worker and may fail in silence, for the sweep
    does it again. `book` never blocks.
    """

    generations: Generations
    compose: Callable[[Asked, Requester, Author], Awaitable[Generation]]
    dispatch: Callable[[str], Awaitable[None]]
    attendance: Attendance
    book: Callable[[], AssistantBook]


class Generating:
    """Serves frames about generations."""

    def __init__(
        self,
        following: Following,
        makers: Makers,
        gate: Semaphore,
        clock: Callable[[], float],
    ) -> None:
        self.following = following
        self._makers = makers
        self._gate = gate
        self._clock = clock

    async def serve(self, session: Asker, frame: Generate | Cancel | Resume) -> None:
        """Serves a session's frame; raises RtaiError where it cannot be."""
        if isinstance(frame, Generate):
            await self._ask(session, frame.asked)
        elif isinstance(frame, Resume):
            await self._resume(session, frame)
        else:
            await self._cancel(session, frame)

    def assistant(self, site: str, stream: str) -> Mapping[str, str] | None:
        """Who answers in a stream, and when by itself; None where nobody can."""
        book = self._makers.book()
        found = book.assistant(site, stream)
        if found is None or not any(book.model(name) for name in found.models):
            return None
        return {"name": found.name, "trigger": found.trigger.value}

    def leave(self, session: Asker) -> Sequence[str]:
        """The session ends, and is sent nothing more; what it asked for, for `depart`."""
        return self.following.leave(session)

    async def depart(self, session: Asker, asked: Sequence[str], back_ms: int | None) -> None:
        """Cancels what a session asked for that goes for good, where that was wished; one that is
        expected back in `back_ms` may go on with it. What fails is left to the sweep."""
        if not asked:
            return
        try:
            async with self._gate:
                attendance, generations = self._makers.attendance, self._makers.generations
                for id in await attendance.depart(session.id, asked, back_ms):
                    await generations.cancel(id)
        except Overloaded as error:
            logger.info("Answers of a session that ended are left to the sweep: %s", error)

    async def check(self) -> None:
        """Finds what the bus lost. Raises Overloaded."""
        await self.following.check()

    async def sweep(self) -> None:
        """Ends what lost its worker, or its asker where that was wished; dispatches again what no
        worker took. Raises Overloaded."""
        for id in await self._makers.generations.sweep():
            await self._makers.dispatch(id)
        for id in await self._makers.attendance.left():
            await self._makers.generations.cancel(id)

    async def _ask(self, session: Asker, asked: Asked) -> None:
        client = session.client
        if asked.stream is not None and not client.may_use(asked.stream):
            raise Forbidden("The token does not grant this stream.")
        generation = await self._makers.compose(asked, _who(client), _author(client))
        answer = self.following.known(generation)
        answer.heard = NOT_YET
        answer.attach(session, 0, told=False, asked=True)
        try:
            admitted = await self._admit(answer, generation, _who(client))
        except BaseException:
            await self.following.drop(session, answer)
            raise
        if admitted.id == generation.id:
            answer.heard = self._clock()
            if not admitted.heard:
                await self._makers.dispatch(generation.id)
            return
        await self.following.drop(session, answer)
        found, snapshot = await self.following.find(admitted.id)
        await self._go_on(session, found, snapshot, 0, told=False)

    async def _admit(self, answer: Answer, generation: Generation, who: Requester) -> Admitted:
        """Heard of before a worker can know of it, so that nothing of it is missed."""
        answer.is_home = bool(self._makers.generations.home) and not answer.stream
        await self.following.hear(answer)
        async with self._gate:
            return await self._makers.generations.admit(generation, who)

    async def _resume(self, session: Asker, frame: Resume) -> None:
        answer, snapshot = await self.following.find(frame.id)
        if not _may_follow(session.client, answer):
            raise NotFound("There is no such generation.")
        await self._go_on(session, answer, snapshot, frame.start, told=True)

    async def _go_on(
        self, session: Asker, answer: Answer, snapshot: Snapshot | None, start: int, *, told: bool
    ) -> None:
        """Follows what was asked before; an owner may take the place of a session that was lost."""
        is_over = snapshot is not None and snapshot.finish is not None
        if answer.is_of(session.client) and not is_over:
            async with self._gate:
                await self._makers.attendance.take_up(answer.id, session.id)
        await self.following.follow(session, answer, snapshot, start, told=told)

    async def _cancel(self, session: Asker, frame: Cancel) -> None:
        id = frame.id or await self._named(session.client, frame.ref)
        answer, snapshot = await self.following.find(id)
        if not _may_cancel(session.client, answer):
            if _may_follow(session.client, answer):
                raise Forbidden("Its owner and moderators may cancel it.")
            raise NotFound("There is no such generation.")
        if session.id not in answer.cursors:
            await self.following.follow(session, answer, snapshot, BEHIND_ALL, told=True)
        if not answer.is_over:
            async with self._gate:
                await self._makers.generations.cancel(id)

    async def _named(self, client: Client, ref: str) -> str:
        """What the user asked for under this `ref`, here or at another gateway; raises NotFound."""
        if (id := self.following.named(client, ref)) is None:
            async with self._gate:
                id = await self._makers.generations.named(client.site, client.user, ref)
        if id is None:
            raise NotFound("There is no such generation.")
        return id


def _who(client: Client) -> Requester:
    return Requester(client.site, client.person, client.session, client.address, client.api_key)


def _author(client: Client) -> Author:
    return Author(client.user, client.name)


def _may_follow(client: Client, answer: Answer) -> bool:
    """A stream's answers are for all who may read it, private ones for their owner."""
    if client.site != answer.site:
        return False
    if answer.stream:
        return client.may_use(answer.stream)
    return client.is_moderator or answer.is_of(client)


def _may_cancel(client: Client, answer: Answer) -> bool:
    moderates = client.is_moderator and _may_follow(client, answer)
    return moderates or answer.is_of(client)
