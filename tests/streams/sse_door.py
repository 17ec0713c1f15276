"""The product's HTTP and WebSocket paths on one of our servers, as a process:
`python -m tests.streams.sse_door SERVER PORT [HEARTBEAT_S PONG_S]`. Sites and streams are made up;
Valkey is real. On SIGUSR1 it tells Valkey how many clients it has in memory."""

import gc
import importlib
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterable
from typing import Any

import django

ORIGIN = "https://example.org"
ASSISTED = "room-with-an-assistant"
SWITCHED_OFF = "test:switched-off"
"""Where tests name streams that are not there."""
HELD = "test:held"
"""Where a server tells, by kind, how many objects of its clients it has in memory."""
OF_CLIENTS = (
    "streams.consumers.StreamConsumer",
    "streams.sessions.Session",
    "rtai_project.websockets_daphne.Protocol",
    "rtai_project.websockets_uvicorn.Protocol",
    "rtai_project.requests_uvicorn.Protocol",
)
OWN_BUFFERS = "TESTS_OWN_BUFFERS"
"""Set in the environment of a server whose sockets are left as the product makes them."""


class Directory:
    """The site `demo`, which has every stream whose name begins with `room`, unless a test
    switched it off."""

    def __init__(self, url: str) -> None:
        from inference import connection_redis

        self._valkey = connection_redis.client(url)
        self._off: set[Any] = set()

    def refresh(self) -> None:
        self._off = set(self._valkey.smembers(SWITCHED_OFF))

    def sites(self) -> Iterable[Any]:
        from streams.directory import SiteInfo

        return [SiteInfo("demo", "Demo", "pk_demo", (ORIGIN, "https://*.shop.example"))]

    def site(self, slug: str) -> Any:
        return next((site for site in self.sites() if site.slug == slug), None)

    def stream(self, site: str, name: str) -> Any:
        from streams.directory import StreamInfo

        known = site == "demo" and re.fullmatch("room[a-z0-9-]*", name) and name not in self._off
        return StreamInfo(site, name, 10_000, 2_000, 600, None) if known else None


def assistants() -> Any:
    """One, in one room."""
    from generation.assistants_db import Assistants
    from tests.generation.answers import a_model, an_assistant

    return Assistants({}, {("demo", ASSISTED): an_assistant()}, {"chat-mini": a_model()})


class SmallBuffers(socket.socket):
    """What the network holds for a client that does not read is soon full."""

    def listen(self, backlog: int = 128) -> None:
        self.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
        super().listen(backlog)


def tell_held(*_: object) -> None:
    """Counts the objects of clients; from now on no garbage collection hides any."""
    from django.conf import settings

    from inference import connection_redis

    gc.disable()
    kinds = [f"{type(each).__module__}.{type(each).__name__}" for each in gc.get_objects()]
    found: Any = {kind: kinds.count(kind) for kind in OF_CLIENTS}
    connection_redis.client(settings.RTAI_REDIS_URL).hset(HELD, mapping=found)


def main() -> None:
    signal.signal(signal.SIGUSR1, tell_held)
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    django.setup()
    from streams import pulse

    if len(sys.argv) > 3:
        pulse.HEARTBEAT_S, pulse.PONG_S = float(sys.argv[3]), float(sys.argv[4])
    from generation import assistants_db
    from rtai_project.serving import product
    from streams import lifespan, limits_db

    logging.getLogger().setLevel(logging.DEBUG)
    logging.debug("The log is at its loudest")
    replaced: Any = socket
    if OWN_BUFFERS not in os.environ:
        replaced.socket = SmallBuffers
    replaced = lifespan
    replaced.CachedDirectory = Directory
    replaced = limits_db
    replaced.ensure_synced = lambda: None
    replaced = assistants_db
    replaced.load = assistants
    server = importlib.import_module(f"rtai_project.server_{sys.argv[1]}")
    port = int(sys.argv[2])
    sys.exit(server.run(product(), "127.0.0.1", port) or 0)


if __name__ == "__main__":
    main()
