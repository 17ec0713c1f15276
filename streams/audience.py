"""The sessions of this process by site and user: where verdicts, kicks and bans are delivered.

A verdict waits in its author's mailbox until a live session took it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from inference.errors import Overloaded
from streams import keys
from streams.closes import Close
from streams.hub import Bus
from streams.relays import Reader

MAX_WAIT_MS = 3_000
"""A verdict that takes longer is looked up in the mailbox, in case the bus lost it."""

logger = logging.getLogger(__name__)


class Member(Reader, Protocol):
    """A session, as far as its site is concerned."""

    @property
    def site(self) -> str: ...

    @property
    def user(self) -> str: ...

    @property
    def address(self) -> str: ...

    def take_verdict(self, id: str, frame: str, sent: Callable[[], None]) -> None:
        """Hands over a verdict once; `sent` is called when it left."""
        ...

    def waits_since(self) -> int | None:
        """When the oldest message without a verdict was accepted, in ms since the Unix epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Mail:
    """A verdict in a mailbox."""

    id: str
    frame: str
    moderator_frame: str


class Mailboxes(Protocol):
    """Verdicts for users whose sessions may not have seen them; raise Overloaded when away."""

    async def read(self, users: Iterable[tuple[str, str]]) -> list[list[Mail]]:
        """What waits for each pair of site and user."""
        ...

    async def remove(self, delivered: Iterable[tuple[str, str, str]]) -> None:
        """Forgets verdicts by site, user and message id."""
        ...


class Audience:
    """Local sessions by site and user."""

    def __init__(self, bus: Bus, mailboxes: Mailboxes, now_ms: Callable[[], int]) -> None:
        self._bus = bus
        self._mailboxes = mailboxes
        self._now_ms = now_ms
        self._sites: dict[str, dict[str, set[Member]]] = {}
        self._joins: dict[str, asyncio.Task[None]] = {}
        self._delivered: set[tuple[str, str, str]] = set()

    async def enter(self, member: Member) -> None:
        """Adds a session; raises Overloaded while its site's group cannot be joined."""
        users = self._sites.setdefault(member.site, {})
        users.setdefault(member.user, set()).add(member)
        join = self._joins.get(member.site)
        if join is None or (join.done() and (join.cancelled() or join.exception() is not None)):
            join = asyncio.create_task(self._bus.join(keys.site_group(member.site), member.site))
            self._joins[member.site] = join
        try:
            await asyncio.shield(join)
        except BaseException:
            self.leave(member)
            raise

    def leave(self, member: Member) -> None:
        """Removes a session; does nothing for one that is not there."""
        users = self._sites.get(member.site, {})
        members = users.get(member.user, set())
        members.discard(member)
        if not members:
            users.pop(member.user, None)

    def receive(self, site: str, message: Mapping[str, Any]) -> None:
        """Takes a message of a site's group from the bus."""
        if message["type"] == "session.close":
            end = Close(int(message["code"]), message["reason"])
            for member in self._meant(site, message):
                member.end(end)
            return
        mail = Mail(message["id"], message["frame"], message["moderator_frame"])
        for member in list(self._sites.get(site, {}).get(message["user"], ())):
            self._hand_over(member, mail)

    async def deliver_mail(self, members: Iterable[Member]) -> None:
        """Hands over what waits in these sessions' mailboxes; raises Overloaded."""
        some = list(members)
        found = await self._mailboxes.read((each.site, each.user) for each in some)
        for member, mails in zip(some, found, strict=True):
            for mail in mails:
                self._hand_over(member, mail)

    async def check(self) -> None:
        """Looks after late verdicts and leaves idle sites; raises Overloaded."""
        if late := [member for member in self._members() if self._is_late(member)]:
            await self.deliver_mail(late)
        for site in [site for site, users in self._sites.items() if not users]:
            del self._sites[site]
            self._joins.pop(site).cancel()
            await self._bus.leave(keys.site_group(site), site)

    def _hand_over(self, member: Member, mail: Mail) -> None:
        frame = (mail.moderator_frame if member.is_moderator else "") or mail.frame
        key = (member.site, member.user, mail.id)
        member.take_verdict(mail.id, frame, lambda: self._delivered.add(key))

    async def forget_delivered(self) -> None:
        """Takes what was delivered out of the mailboxes; raises Overloaded and tries again."""
        delivered, self._delivered = self._delivered, set()
        if not delivered:
            return
        try:
            await self._mailboxes.remove(delivered)
        except Overloaded:
            self._delivered |= delivered
            raise

    def _is_late(self, member: Member) -> bool:
        since = member.waits_since()
        return since is not None and self._now_ms() - since > MAX_WAIT_MS

    def _members(self) -> list[Member]:
        return [
            member
            for users in self._sites.values()
            for members in users.values()
            for member in members
        ]

    def _meant(self, site: str, message: Mapping[str, Any]) -> list[Member]:
        """Sessions that every given field of a `session.close` fits; none if none is given."""
        asked = {
            name: message[field]
            for name, field in (("id", "session"), ("user", "user"), ("address", "address"))
            if message[field]
        }
        return [
            member
            for members in self._sites.get(site, {}).values()
            for member in members
            if asked and all(getattr(member, name) == value for name, value in asked.items())
        ]
