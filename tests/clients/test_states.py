"""The Python client's states, whatever a server, the network and its own side do, in any order."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import pairwise
from typing import TypeAlias
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from rtai_client import Client, ConnectionClosed, State, Token, TokenRefused, reconnecting
from rtai_client.reconnecting import FIRST_S, LONGEST_S, delay
from tests.clients.talks import WELCOME

Event: TypeAlias = str | int
ALLOWED = {
    State.IDLE: {State.CONNECTING},
    State.CONNECTING: {State.OPEN, State.WAITING, State.CLOSED},
    State.OPEN: {State.WAITING, State.CLOSED},
    State.WAITING: {State.CONNECTING, State.CLOSED},
    State.CLOSED: set[State](),
}
FOR_GOOD: set[Event] = {403, 404, 4501, 4503, 4504, "token refused", "not JSON"}
"""What ends a client at once; 401 and 4500 do so the second time in a row."""

events = st.lists(
    st.sampled_from([
        401, 403, 404, 429, 500, 502, 503,
        1000, 1006, 1011, 4001, 4005, 4008, 4010, 4012, 4013, 4500, 4501, 4503, 4504,
        "abort early", "no token", "token refused", "not JSON", "wake",
    ]),
    max_size=8,
)  # fmt: skip


@dataclass
class World:
    """A server that does one thing after another, and then keeps its client."""

    todo: list[Event]
    states: list[State] = field(default_factory=lambda: [State.IDLE])
    met: list[Event] = field(default_factory=list)
    drawn: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def token(self, fresh: bool) -> Token:
        if self.todo[:1] in (["no token"], ["token refused"]):
            what = self._next()
            raise OSError if what == "no token" else TokenRefused(403, "Forbidden")
        return Token("t", 4e9)

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        if self.todo and isinstance(self.todo[0], int) and self.todo[0] < 600:
            return connection.respond(HTTPStatus(int(self._next())), "")
        return None

    async def talk(self, socket: ServerConnection) -> None:
        what = self._next() if self.todo else "keep"
        if what == "abort early":
            socket.transport.abort()
            return
        await socket.send(json.dumps(WELCOME))
        if what == "keep":
            self.done.set()
            await socket.wait_closed()
        elif what == 1006:
            socket.transport.abort()
        elif isinstance(what, int):
            await socket.close(what, '{"retry_after_ms":1}')
        elif what == "not JSON":
            await socket.send("<html>")
            await socket.wait_closed()

    def random(self) -> float:
        self.drawn += 1
        return 0.5

    def _next(self) -> Event:
        self.met.append(self.todo.pop(0))
        return self.met[-1]


@contextmanager
def quick() -> Iterator[None]:
    """Waits of a millisecond."""
    with (
        patch.object(reconnecting, "FIRST_S", 0.001),
        patch.object(reconnecting, "LONGEST_S", 0.001),
    ):
        yield


async def lived(world: World) -> None:
    """The client's whole life, until the server has nothing more to do or it ends by itself."""

    def note(state: State) -> None:
        world.states.append(state)
        if state is State.WAITING and world.todo[:1] == ["wake"]:
            world._next()
            client.wake()
        if state is State.CLOSED:
            world.done.set()

    async with serve(world.talk, "127.0.0.1", 0, process_request=world.answer) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = Client(url, world.token, on_state=note, random=world.random)
        try:
            async with client:
                await world.done.wait()
        except (ConnectionClosed, ValueError):
            world.done.set()


@settings(max_examples=60, deadline=None)
@given(events)
def test_states_follow_one_another_as_they_may_and_nothing_follows_the_end(
    todo: list[Event],
) -> None:
    world = World(list(todo))
    with quick():
        asyncio.run(asyncio.wait_for(lived(world), 20))

    for before, after in pairwise(world.states):
        assert after in ALLOWED[before], world.states
    assert world.states.count(State.CLOSED) == 1
    assert world.states[-1] is State.CLOSED
    ends = [each for each in world.met if each in FOR_GOOD]
    assert len(ends) <= 1
    assert not ends or world.met[-1] == ends[0]
    assert world.drawn >= world.states.count(State.WAITING)


@pytest.mark.parametrize("failures", [0, 1, 3, 6, 60])
@pytest.mark.parametrize("wait_s", [0.0, 0.2, 5.0])
def test_delays_are_spread_evenly_over_all_of_their_range(failures: int, wait_s: float) -> None:
    def at(share: float) -> float:
        draw: Callable[[], float] = lambda: share  # noqa: E731
        return delay(failures, wait_s, draw)

    least, most = max(FIRST_S, wait_s), max(FIRST_S, wait_s) - FIRST_S + LONGEST_S
    top = min(most, least - FIRST_S + FIRST_S * 2.0 ** min(failures, 10))
    assert [at(share / 4) for share in range(5)] == pytest.approx(
        [least + share / 4 * (top - least) for share in range(5)]
    )
