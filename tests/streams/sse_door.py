"""The product's HTTP and WebSocket paths on one of our servers, as a process, and its clients:
`python -m tests.streams.sse_door SERVER PORT`. Sites and streams are made up; Valkey is real."""

import importlib
import json
import logging
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import django
import httpx

ORIGIN = "https://example.org"


class Directory:
    """The site `demo`, which has every stream whose name begins with `room`."""

    def __init__(self, url: str) -> None: ...

    def refresh(self) -> None: ...

    def sites(self) -> Iterable[Any]:
        from streams.directory import SiteInfo

        return [SiteInfo("demo", "Demo", "pk_demo", (ORIGIN,))]

    def site(self, slug: str) -> Any:
        return next((site for site in self.sites() if site.slug == slug), None)

    def stream(self, site: str, name: str) -> Any:
        from streams.directory import StreamInfo

        known = site == "demo" and re.fullmatch("room[a-z0-9-]*", name)
        return StreamInfo(site, name, 10_000, 2_000, 600, None) if known else None


def main() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    django.setup()
    from rtai_project.asgi import application
    from streams import lifespan, limits_db

    logging.getLogger().setLevel(logging.DEBUG)
    replaced: Any = lifespan
    replaced.CachedDirectory = Directory
    replaced = limits_db
    replaced.ensure_synced = lambda: None
    server = importlib.import_module(f"rtai_project.server_{sys.argv[1]}")
    port = int(sys.argv[2])
    sys.exit(server.run(application, "127.0.0.1", port, lifespan.gateway, lifespan.drain) or 0)


@dataclass
class Event:
    """One event as a browser would see it."""

    id: str = ""
    type: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Events:
    """An open stream, parsed as the standard says."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.comments: list[str] = []
        self.retry: list[int] = []
        self._lines = response.iter_lines()

    def __iter__(self) -> Iterator[Event]:
        event, data = Event(), list[str]()
        for line in self._lines:
            name, _, value = line.partition(": ")
            if not line and data:
                event.data = json.loads("\n".join(data))
                yield event
            if not line:
                event, data = Event(), []
            elif line.startswith(":"):
                self.comments.append(line)
            elif name == "retry":
                self.retry.append(int(value))
            elif name == "data":
                data.append(value)
            else:
                setattr(event, {"id": "id", "event": "type"}[name], value)

    def hear(self, kind: str) -> Event:
        """The next event of this type; what comes before it is skipped."""
        deadline = time.monotonic() + 10
        for event in self:
            if event.type == kind:
                return event
            assert time.monotonic() < deadline
        raise AssertionError(f"The stream ended without {kind!r}.")


if __name__ == "__main__":
    main()
