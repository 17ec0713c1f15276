"""An event stream's server as a process, what stands in for its workers, and its clients."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import redis
from django.conf import settings

from inference import connection_redis
from policy import keys as policy_keys
from policy.messages_redis import MessageStore
from policy.policy import Action
from streams import tokens_jwt
from streams.publisher_redis import RedisPublisher
from streams.tokens import Claims
from tests.builders import a_verdict
from tests.rtai_project.waiting import free_port, wait_until


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


def token(user: str = "ann", **changes: Any) -> str:
    values: dict[str, Any] = {
        "site": "demo", "sub": user, "name": user.title(), "streams": ("*",), "role": "member",
        "exp": int(time.time()) + 300,
    }  # fmt: skip
    return tokens_jwt.mint(settings.RTAI_SECRETS["tokens"], Claims(**{**values, **changes}))


def bearer(given: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {given}"} if given else {}


class Door:
    """A server of our application, and what stands in for its workers."""

    def __init__(
        self, server: str, log: Path, *heartbeat_s: float, environ: Mapping[str, str] | None = None
    ) -> None:
        self.server = server
        self.port = free_port()
        self.log = log
        self.valkey: redis.Redis = connection_redis.client(settings.RTAI_REDIS_URL)
        self.publisher = RedisPublisher(self.valkey, lambda site, stream: (2_000, 600))
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10
        )
        self.opened = ExitStack()
        self.listening: list[Events] = []
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.streams.sse_door", server, str(self.port),
                 *(str(each) for each in heartbeat_s)],
                stdout=output, stderr=output,
                env={**os.environ, "DJANGO_SETTINGS_MODULE": "rtai_project.settings",
                     **(environ or {})},
            )  # fmt: skip
        wait_until(self._listens, "the server listens", seconds=60)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stream(self, room: str, given: str | None = None, **options: Any) -> httpx.Response:
        """An answer whose body is still to come."""
        headers = bearer(token() if given is None else given) | options.pop("headers", {})
        response = self.http.stream("GET", f"/sse/v1/streams/{room}", headers=headers, **options)
        return self.opened.enter_context(response)

    def listen(self, room: str, given: str | None = None, **options: Any) -> Events:
        response = self.stream(room, given, **options)
        assert response.status_code == 200, response.read()
        self.listening.append(Events(response))
        return self.listening[-1]

    def say(self, room: str, text: str, given: str | None = None, ref: str = "") -> httpx.Response:
        return self.http.post(
            f"/sse/v1/streams/{room}/messages",
            json={"ref": ref or secrets.token_hex(4), "text": text},
            headers=bearer(token() if given is None else given),
        )

    def decide(self, action: Action = Action.ALLOW) -> None:
        """Stands in for the worker: decides what was accepted."""
        wait_until(lambda: bool(self.valkey.zcard(policy_keys.PENDING)), "a message waits")
        ids = [str(id) for id in self.valkey.zrange(policy_keys.PENDING, 0, -1)]
        for message in MessageStore(self.valkey).undecided(ids):
            self.publisher.publish([a_verdict(action, message=message)])

    def tell(self, room: str, *texts: str) -> list[str]:
        """Publishes messages; their ids."""
        ids = []
        for text in texts:
            answer = self.say(room, text)
            assert answer.status_code == 202, answer.text
            ids.append(str(answer.json()["id"]))
            self.decide()
        return ids

    def ticket(self, **changes: Any) -> str:
        answer = self.http.post("/sse/v1/tickets", headers=bearer(token(**changes)))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["ticket"])

    def end(self) -> None:
        """Ends the clients and the server."""
        self.opened.close()
        self.http.close()
        self.process.kill()
        self.process.wait()

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(f"/sse/v1/{path}", **options)
