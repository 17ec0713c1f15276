"""Ports in memory, for tests of what stands between them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from inference.errors import Forbidden, NotFound, Overloaded
from policy.messages import Message
from streams import keys
from streams.admission import Admitted
from streams.audience import Address
from streams.awaited import Mail
from streams.clients import Client
from streams.closes import Close
from streams.directory import SiteInfo, StreamInfo
from streams.frames import Position
from streams.history import Published, Read
from streams.outbox import Outbox
from streams.presence import People

LOBBY = StreamInfo("demo", "lobby", 10_000, 2_000, 600, None)


class FakeClock:
    """Monotonic seconds, and milliseconds since the epoch, both moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def ms(self) -> int:
        return int(self.now * 1000)


class FakeBus:
    """Groups in one process; `receive` gets what is sent to those joined."""

    def __init__(self) -> None:
        self.receive: Callable[[str, Mapping[str, Any]], None] = lambda source, message: None
        self.groups: dict[str, str] = {}
        self.joins = 0
        self.sent: list[tuple[str, Mapping[str, Any]]] = []
        self.away = False
        self.gate: Callable[[], Awaitable[object]] | None = None
        """Waited for before a group is left."""

    async def join(self, group: str, source: str = "") -> None:
        self._check()
        self.joins += 1
        self.groups[group] = source

    async def leave(self, group: str, source: str = "") -> None:
        if self.gate is not None:
            await self.gate()
        self.groups.pop(group, None)

    async def send(self, group: str, message: Mapping[str, Any]) -> None:
        self._check()
        self.sent.append((group, message))
        self.publish(group, message)

    def publish(self, group: str, message: Mapping[str, Any]) -> None:
        if group in self.groups:
            self.receive(self.groups[group], message)

    def _check(self) -> None:
        if self.away:
            raise Overloaded("The bus is away.")


class FakeHistory:
    """One stream, whose frames are `epoch:offset`; `live` is where publications go too."""

    def __init__(self) -> None:
        self.epoch = "e1"
        self.frames: list[Published] = []
        self.offset = 0
        self.reads = 0
        self.away = False
        self.gate: Callable[[], Awaitable[object]] | None = None

    def publish(self) -> Mapping[str, Any]:
        """Adds the next frame; returns the message that the bus would carry."""
        self.offset += 1
        frame = json.dumps({"type": "message", "epoch": self.epoch, "offset": self.offset})
        self.frames.append(Published(self.offset, frame))
        return {
            "type": "stream.frame", "stream": "demo/lobby", "epoch": self.epoch,
            "offset": self.offset, "frame": frame, "moderator_frame": "",
        }  # fmt: skip

    def wipe(self, epoch: str) -> None:
        """Forgets everything, as a Redis without persistence does."""
        self.epoch, self.frames, self.offset = epoch, [], 0

    def forget(self, count: int) -> None:
        """Drops the oldest frames."""
        del self.frames[:count]

    async def since(self, stream: StreamInfo, offset: int) -> Read:
        await self._read()
        return Read(self._position(), tuple(each for each in self.frames if each.offset > offset))

    async def recent(self, stream: StreamInfo, count: int) -> Read:
        await self._read()
        return Read(self._position(), tuple(self.frames[-count:]) if count else ())

    async def positions(self, streams: Sequence[tuple[str, str]]) -> list[Position | None]:
        await self._read()
        return [self._position() for _ in streams]

    async def restart(self, stream: StreamInfo, epoch: str) -> None:
        if self.epoch == epoch:
            self.epoch += "+"

    def _position(self) -> Position:
        return Position(self.epoch, self.offset)

    async def _read(self) -> None:
        self.reads += 1
        if self.gate is not None:
            await self.gate()
        if self.away:
            raise Overloaded("History is away.")


class FakeReader:
    """A session that writes into `got`."""

    def __init__(self, id: str = "reader", *, moderator: bool = False) -> None:
        self.id = id
        self.site = "demo"
        self.user = f"user-{id}"
        self.address = f"address-{id}"
        self.is_moderator = moderator
        self.got: list[dict[str, Any]] = []
        self.closed: Close | None = None
        self.outbox = Outbox(self._write, lambda: None, clock=lambda: 0.0)
        self.verdicts: list[str] = []
        self.held: list[str] = []
        self.waiting: int | None = None

    async def _write(self, text: str) -> None:
        self.got += [json.loads(line) for line in text.split("\n")]

    def end(self, close: Close) -> None:
        self.closed = self.closed or close

    def take_verdict(self, mail: Mail) -> None:
        self.verdicts.append(mail.moderator_frame if self.is_moderator else mail.frame)
        self.held.append(mail.id)

    @property
    def holds_verdicts(self) -> bool:
        return bool(self.held)

    def delivered(self) -> list[str]:
        found, self.held = self.held, []
        return found

    def waits_since(self) -> int | None:
        return self.waiting

    async def settled(self) -> list[dict[str, Any]]:
        """Everything written so far, once nothing waits."""
        await self.outbox.drained()
        return self.got


class FakeMailboxes:
    def __init__(self) -> None:
        self.mails: dict[tuple[str, str], list[Mail]] = {}
        self.removed: set[Address] = set()
        self.away = False

    async def read(self, users: Iterable[tuple[str, str]]) -> list[list[Mail]]:
        if self.away:
            raise Overloaded("Mail is away.")
        return [self.mails.get(user, []) for user in users]

    async def put(self, mails: Mapping[Address, Mail]) -> None:
        if self.away:
            raise Overloaded("Mail is away.")
        for (site, user, _), mail in mails.items():
            self.mails.setdefault((site, user), []).append(mail)

    async def remove(self, mails: Iterable[Address]) -> None:
        if self.away:
            raise Overloaded("Mail is away.")
        self.removed |= set(mails)


class FakeAdmission:
    """Stores by `ref`; raises `refusal` where a test set one."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str, str], Message] = {}
        self.verdicts: dict[str, Mapping[str, Any]] = {}
        self.refusal: Exception | None = None

    async def admit(self, message: Message, client: Client) -> Admitted:
        if self.refusal is not None:
            raise self.refusal
        key = (message.site, message.author.id, message.ref)
        fresh = key not in self.stored
        found = self.stored.setdefault(key, message)
        return Admitted(found.id, fresh, self.verdicts.get(found.id))


class FakeDirectory:
    def __init__(self) -> None:
        self.streams = {("demo", name): _stream(name) for name in ("lobby", "other")}

    def site(self, slug: str) -> SiteInfo | None:
        return SiteInfo(slug, slug, f"pk_{slug}", ()) if slug == "demo" else None

    def site_by_key(self, public_key: str) -> SiteInfo | None:
        return self.site(public_key.removeprefix("pk_"))

    def stream(self, site: str, name: str) -> StreamInfo | None:
        return self.streams.get((site, name))


def _stream(name: str) -> StreamInfo:
    return StreamInfo("demo", name, 10_000, 2_000, 600, None)


class FakeStore:
    def __init__(self) -> None:
        self.attached: set[tuple[str, str]] = set()
        self.closed: list[str] = []
        self.away = False
        self.gate: Callable[[], Awaitable[object]] | None = None
        """Waited for before a stream is left."""

    async def open(self, client: Client, gateway: str) -> None: ...

    async def close(self, client: Client) -> None:
        self._check()
        self.closed.append(client.session)

    async def attach(self, client: Client, stream: str) -> None:
        self._check()
        self.attached.add((client.session, stream))

    async def detach(self, client: Client, stream: str) -> None:
        if self.gate is not None:
            await self.gate()
        self._check()
        self.attached.discard((client.session, stream))

    async def renew(
        self, sessions: Iterable[tuple[Client, Collection[str]]], gateway: str
    ) -> Mapping[str, str]:
        return {}

    def _check(self) -> None:
        if self.away:
            raise Overloaded("Sessions are away.")


class FakeRemoval:
    def __init__(self) -> None:
        self.authors: dict[str, str] = {}
        self.removed: list[str] = []

    async def remove(self, client: Client, stream: str, id: str) -> str:
        if id not in self.authors:
            raise NotFound("There is no such message.")
        if not client.is_moderator and self.authors[id] != client.user:
            raise Forbidden("Not yours.")
        self.removed.append(id)
        return json.dumps({"type": "removed", "stream": stream, "id": id})


class FakePresences:
    """Sessions by stream, with their users' ids and names."""

    def __init__(self) -> None:
        self.present: dict[str, dict[str, tuple[str, str]]] = {}
        self.away = False
        self.gate: Callable[[], Awaitable[object]] | None = None
        """Waited for before anybody comes or goes."""

    async def join(self, client: Client, stream: str) -> None:
        await self._check()
        self.present.setdefault(stream, {})[client.session] = (client.user, client.name)

    async def leave(self, client: Client, stream: str) -> None:
        await self._check()
        self.present.get(stream, {}).pop(client.session, None)

    async def of(self, site: str, stream: str) -> People:
        found = tuple(sorted(set(self.present.get(stream, {}).values())))
        return len(found), found

    async def _check(self) -> None:
        if self.gate is not None:
            await self.gate()
        if self.away:
            raise Overloaded("Presence is away.")


def lobby_group() -> str:
    return keys.stream_group("demo", "lobby")


async def turns(count: int = 20) -> None:
    """Lets other tasks go on."""
    for _ in range(count):
        await asyncio.sleep(0)
