"""Keeps a process's sessions in the store, and nothing that left meanwhile."""

from collections.abc import Iterable

from streams.closes import CloseCode, close
from streams.session_store import SessionStore
from streams.sessions import Session


async def renew(store: SessionStore, sessions: Iterable[Session], gateway: str) -> None:
    """Extends leases, ends those banned or kicked meanwhile; raises Overloaded.

    A renewal puts back what the store lost, and so also what left after it was begun: that is
    taken out again.
    """
    held = [
        (session, session.client, list(session.streams))
        for session in sessions
        if not session.leaving
    ]
    ended = await store.renew([(client, streams) for _, client, streams in held], gateway)
    for session, client, streams in held:
        if session.leaving:
            await store.close(client)
            continue
        for stream in streams:
            if stream not in session.streams:
                await store.detach(client, stream)
        if session.id in ended:
            session.end(close(CloseCode.BANNED, ended[session.id]))
