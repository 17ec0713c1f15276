"""The sessions of this process by site and user: where verdicts, kicks and bans are delivered.

A verdict waits in its author's mailbox until a session took it, and is put back there when that
session's connection breaks before its client can have read it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from inference.errors import Overloaded
from streams import keys
from streams.awaited import Mail
from streams.closes import Close
from streams.hub import Bus
from streams.relays import Reader

MAX_WAIT_MS = 3_000
"""A verdict that takes longer is looked up in the mailbox, in case the bus lost it."""

Address = tuple[str, str, str]
"""Site, user and message id of a verdict."""

logger = logging.getLogger(__name__)


class Member(Reader, Protocol):
    """A session, as far as its site is concerned."""

    @property
    def site(self) -> str: ...

    @property
    def user(self) -> str: ...

    @property
    def address(self) -> str: ...

    def take_verdict(self, mail: Mail) -> None:
        """Hands over a verdict, once."""
        ...

    @property
    def holds_verdicts(self) -> bool:
        """Whether it took verdicts that are not known to be read."""
        ...

    def delivered(self) -> list[str]:
        """Ids of those whose verdicts may leave the mailbox; tells each once."""
        ...

    def waits_since(self) -> int | None:
        """When the oldest message without a verdict was accepted, in ms since the Unix epoch."""
        ...


class Mailboxes(Protocol):
    """Verdicts for users whose sessions may not have seen them; raise Overloaded when away."""

    async def read(self, users: Iterable[tuple[str, str]]) -> list[list[Mail]]:
        """What waits for each pair of site and user."""
        ...

    async def put(self, mails: Mapping[Address, Mail]) -> None:
        """Keeps verdicts."""
        ...

    async def remove(self, mails: Iterable[Address]) -> None:
        """Forgets verdicts."""
        ...


class Audience:
    """Local sessions by site and user."""

    def __init__(self, bus: Bus, mailboxes: Mailboxes, now_ms: Callable[[], int]) -> None:
        self._bus = bus
        self._mailboxes = mailboxes
        self._now_ms = now_ms
        self._sites: dict[str, dict[str, set[Member]]] = {}
        self._joins: dict[str, asyncio.Task[None]] = {}
        self._holders: set[Member] = set()
        self._delivered: set[Address] = set()
        self._owed: dict[Address, Mail] = {}

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

    def leave(self, member: Member, unread: Sequence[Mail] = ()) -> None:
        """Removes a session, if it is there; `unread` verdicts go back into the mailbox."""
        self._note_delivered(member)
        self._holders.discard(member)
        self._owed.update({(member.site, member.user, mail.id): mail for mail in unread})
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
            if not self._sites[site]:  # Somebody may have come while another site was left.
                del self._sites[site]
                self._joins.pop(site).cancel()
                await self._bus.leave(keys.site_group(site), site)

    def _hand_over(self, member: Member, mail: Mail) -> None:
        self._holders.add(member)
        member.take_verdict(mail)

    async def settle(self) -> None:
        """Takes what was delivered out of the mailboxes, puts back what was not read after all,
        and tells the users' other sessions of that; raises Overloaded and tries again."""
        for member in list(self._holders):
            self._note_delivered(member)
        delivered, self._delivered = self._delivered, set()
        owed, self._owed = self._owed, {}
        try:
            if gone := delivered - owed.keys():
                await self._mailboxes.remove(gone)
            if owed:
                await self._mailboxes.put(owed)
            for (site, user, _), mail in owed.items():
                message = {"type": "user.frame", "user": user, **asdict(mail)}
                await self._bus.send(keys.site_group(site), message)
        except (Overloaded, asyncio.CancelledError):
            self._delivered |= delivered
            self._owed |= owed
            raise

    def _note_delivered(self, member: Member) -> None:
        if member not in self._holders:
            return
        self._delivered.update((member.site, member.user, id) for id in member.delivered())
        if not member.holds_verdicts:
            self._holders.discard(member)

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
