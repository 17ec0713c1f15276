"""Clients and messages with defaults; a test names only what it is about."""

import itertools
import time
from typing import Any

from policy.messages import Author, Message, new_id
from streams.clients import Client

_numbers = itertools.count()


def a_client(**given: Any) -> Client:
    """A member of the site `demo` with a session of its own."""
    found: dict[str, Any] = {
        "site": "demo",
        "user": "ann",
        "name": "Ann",
        "role": "member",
        "streams": frozenset({"*"}),
        "session": f"session-{next(_numbers)}",
        "address": "a1",
        "expires_ms": 2_000_000_000_000,
    }
    return Client(**(found | given))


def a_message(client: Client | None = None, **given: Any) -> Message:
    """A message to the stream `lobby`, accepted now."""
    client, now = client or a_client(), int(time.time() * 1000)
    found: dict[str, Any] = {
        "id": new_id(now),
        "site": client.site,
        "stream": "lobby",
        "author": Author(client.user, client.name),
        "session": client.session,
        "ref": f"ref-{next(_numbers)}",
        "text": "hello",
        "accepted_ms": now,
        "deadline_ms": now + 10_000,
    }
    return Message(**(found | given))
