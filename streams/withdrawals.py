"""Streams and sites that an operator switched off or deleted: whoever is in them is told."""

import asyncio
from collections.abc import Iterable

from inference.errors import NotFound
from streams.closes import CloseCode, close
from streams.directory import Directory, StreamInfo
from streams.sessions import Session


async def withdraw_gone(
    open_streams: Iterable[StreamInfo], directory: Directory, sessions: Iterable[Session]
) -> None:
    """Unsubscribes from streams that are no longer there, and ends sessions of sites that are not.

    `open_streams` are those with subscribers here.
    """
    here = list(sessions)
    gone_sites = {site for site in {each.site for each in here} if directory.site(site) is None}
    places = {(each.site, each.name) for each in open_streams}
    gone = {place for place in places if directory.stream(*place) is None}
    if not (gone_sites or gone):
        return
    leaving = []
    for session in here:
        if session.site in gone_sites:
            session.end(close(CloseCode.INVALID_TOKEN, "The site is no longer there."))
            continue
        found = [name for name in session.streams if (session.site, name) in gone]
        leaving += [session.withdraw(name, NotFound.code) for name in found]
    await asyncio.gather(*leaving)
