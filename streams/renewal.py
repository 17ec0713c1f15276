"""Keeps a process's sessions in the store, and nothing that left meanwhile."""

import asyncio
from collections.abc import Collection, Iterable

from streams.clients import Client
from streams.closes import CloseCode, close
from streams.session_store import SessionStore
from streams.sessions import Session

AT_ONCE = 256
"""Sessions that are renewed together; they are let go before the next ones' turn."""


async def renew(store: SessionStore, sessions: Iterable[Session], gateway: str) -> None:
    """Extends leases, ends those banned or kicked meanwhile; raises Overloaded."""
    waiting = list(sessions)
    while waiting:
        some = [session for session in waiting[-AT_ONCE:] if not session.leaving]
        del waiting[-AT_ONCE:]
        await _renew_some(store, some, gateway)


async def _renew_some(store: SessionStore, some: list[Session], gateway: str) -> None:
    """A renewal puts back what the store lost, and so also what left after it was begun: that is
    taken out again, all at the same time: it may be everybody."""
    held = [(session, session.client, list(session.streams)) for session in some]
    ended = await store.renew([(client, streams) for _, client, streams in held], gateway)
    await asyncio.gather(*(_undo(store, *each) for each in held if _has_left(each[0], each[2])))
    for session in some:
        if session.id in ended and not session.leaving:
            session.end(close(CloseCode.BANNED, ended[session.id]))


def _has_left(session: Session, streams: Collection[str]) -> bool:
    """Whether it has gone altogether, or left one of the streams."""
    return session.leaving or not session.streams.keys() >= set(streams)


async def _undo(
    store: SessionStore, session: Session, client: Client, streams: Collection[str]
) -> None:
    if session.leaving:
        await store.close(client)
        return
    for stream in streams:
        if stream not in session.streams:
            await store.detach(client, stream)
