"""Generations in memory, with a worker in the test's hands."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from generation import keys as generation_keys
from generation.asking import Asked, Composer
from generation.generations import FinishReason, Generation, Snapshot, Status, Usage
from generation.memory import Memory
from generation.store import Admitted, Generations, Requester
from inference.errors import Overloaded
from policy.messages import Author, new_id
from streams import keys
from streams.following import Following, Sources
from streams.generating import Generating, Makers
from streams.hub import Bus, Hub
from tests.generation.answers import Book, Remembered
from tests.streams.fakes import FakeBus, FakeClock, FakeDirectory

USED = Usage(7, 3)


class FakeGenerations:
    """Stores as Redis does; `away` makes it raise."""

    home = ""

    def __init__(self) -> None:
        self.stored: dict[str, Snapshot] = {}
        self.refs: dict[tuple[str, str, str], str] = {}
        self.cancelled: list[str] = []
        self.waits_again: list[str] = []
        self.refusal: Exception | None = None
        self.reads = 0
        self.heard = False
        """Whether a worker looks at what waits by itself."""
        self.away = False

    async def admit(self, generation: Generation, requester: Requester) -> Admitted:
        self._check()
        if self.refusal is not None:
            raise self.refusal
        key = (generation.site, requester.user, generation.ref)
        if key in self.refs:
            return Admitted(self.refs[key], fresh=False)
        self.refs[key] = generation.id
        self.stored[generation.id] = Snapshot(generation, Status.WAITING, "", None, Usage())
        return Admitted(generation.id, fresh=True, heard=self.heard)

    async def read(self, id: str) -> Snapshot | None:
        self._check()
        self.reads += 1
        async with asyncio.timeout(1):  # As the client of Redis: only a task may ask.
            await asyncio.sleep(0)
        return self.stored.get(id)

    async def running(self, site: str, stream: str) -> Sequence[Snapshot]:
        self._check()
        return [
            each
            for each in self.stored.values()
            if each.status is Status.RUNNING
            and (each.generation.site, each.generation.stream) == (site, stream)
        ]

    async def named(self, site: str, user: str, ref: str) -> str | None:
        self._check()
        return self.refs.get((site, user, ref))

    async def cancel(self, id: str) -> bool:
        self._check()
        self.cancelled.append(id)
        return self.stored[id].finish is None

    async def sweep(self) -> Sequence[str]:
        self._check()
        found, self.waits_again = self.waits_again, []
        return found

    def _check(self) -> None:
        if self.away:
            raise Overloaded("Generations are away.")


@dataclass
class Worker:
    """Writes answers; with `lost` its announcements do not arrive."""

    generations: FakeGenerations
    bus: FakeBus
    lost: bool = False

    def start(self, id: str) -> None:
        """The model begins."""
        found = self._change(id, status=Status.RUNNING).generation
        about = {"owner": found.owner.id, "ref": found.ref, "model": found.model}
        self._announce(found, "generation.start", **about)

    def write(self, id: str, text: str) -> None:
        """The answer grows."""
        before = self.generations.stored[id].text
        found = self._change(id, text=before + text).generation
        self._announce(found, "generation.token", **{"from": len(before), "text": text})

    def finish(
        self,
        id: str,
        reason: FinishReason = FinishReason.STOP,
        code: str = "",
        detail: str = "",
        wait_ms: int | None = None,
    ) -> None:
        """The answer ends."""
        text = "" if reason is FinishReason.BLOCKED else self.generations.stored[id].text
        end: dict[str, Any] = {"status": Status.DONE, "finish": reason, "text": text}
        why: dict[str, Any] = {"code": code, "detail": detail, "retry_after_ms": wait_ms}
        found = self._change(id, **end, usage=USED, **why).generation
        tokens = {"prompt_tokens": 7, "completion_tokens": 3}
        told = {"finish_reason": reason.value, "length": len(text)}
        self._announce(found, "generation.done", **tokens, **told, **why)

    def answer(self, id: str, *pieces: str) -> None:
        """A whole answer."""
        self.start(id)
        for piece in pieces:
            self.write(id, piece)
        self.finish(id)

    def _change(self, id: str, **changes: Any) -> Snapshot:
        found = self.generations.stored[id] = replace(self.generations.stored[id], **changes)
        return found

    def _announce(self, generation: Generation, kind: str, **fields: Any) -> None:
        site, stream = generation.site, generation.stream
        group = keys.stream_group(site, stream) if stream else generation_keys.group(generation.id)
        about = {"type": kind, "id": generation.id, "site": site, "stream": stream or ""}
        if not self.lost:
            self.bus.publish(group, about | fields)


class FakeAttendance:
    """Says of every answer that it is to be cancelled with a session that goes for good."""

    def __init__(self) -> None:
        self.gone: list[str] = []
        self.taken_up: list[tuple[str, str]] = []
        self.departed: list[tuple[str, Sequence[str], int | None]] = []
        self.away = False

    async def left(self) -> Sequence[str]:
        return self.gone

    async def take_up(self, id: str, session: str) -> None:
        self.taken_up.append((id, session))

    async def depart(self, session: str, ids: Sequence[str], back_ms: int | None) -> Sequence[str]:
        if self.away:
            raise Overloaded("Sessions are away.")
        self.departed.append((session, ids, back_ms))
        return ids if back_ms is None else []


class Assistance:
    """What a gateway has for generations, over ports in memory."""

    def __init__(  # noqa: PLR0913 (as many ports)
        self,
        hub: Hub,
        bus: Bus,
        directory: FakeDirectory,
        clock: FakeClock,
        generations: Generations,
        memory: Memory | None = None,
        attendance: FakeAttendance | None = None,
    ) -> None:
        self.book = Book(site_wide=None)
        self.dispatched: list[str] = []
        self.attendance = attendance or FakeAttendance()
        self._composer = Composer(lambda: self.book, memory or Remembered(), clock.ms, new_id)
        gate = asyncio.Semaphore(8)
        self.following = hub.companion = Following(
            Sources(hub, bus, directory, generations, gate, clock)
        )
        makers = Makers(
            generations, self._compose, self._dispatch, self.attendance, lambda: self.book
        )
        self.generating = Generating(self.following, makers, gate, clock)

    async def _compose(self, asked: Asked, who: Requester, author: Author) -> Generation:
        return self._composer.compose(asked, who, author)

    async def _dispatch(self, id: str) -> None:
        self.dispatched.append(id)
