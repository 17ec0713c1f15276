"""Whatever happens between the server and its clients, a client's view is the server's state, or
the client was told that it is not: a state machine that breaks everything a hub stands between."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inference.errors import Overloaded
from streams import hub as hubs
from streams.frames import Position
from streams.history import Published
from streams.hub import Hub
from tests.faults.views import History, View, against
from tests.streams.fakes import LOBBY, FakeBus, FakeHistory, FakeReader, lobby_group, turns

CLIENTS = st.integers(0, 2)


class Line(FakeReader):
    """A connection: nothing is heard on it once it has been closed."""

    async def _write(self, text: str) -> None:
        if self.closed is None:
            await super()._write(text)


class Visitor:
    """One client and what it believes, over all its connections."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.view = View(name)
        self.line: Line | None = None
        self._connections = 0

    def dial(self) -> Line:
        """A new connection."""
        self._connections += 1
        self.line = Line(f"{self.name}-{self._connections}")
        return self.line

    @property
    def is_live(self) -> bool:
        """Whether frames may still arrive."""
        return self.line is not None and self.line.closed is None

    def hear(self) -> None:
        """Takes what has arrived."""
        if self.line is not None:
            for frame in self.line.got:
                self.view.take(frame)
            self.line.got.clear()


class Model(RuleBasedStateMachine):
    """One stream, one hub, three clients, and a bus and a history that fail."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.bus, self.history = FakeBus(), FakeHistory()
        self.hub = Hub(self.bus, self.history)
        self.bus.receive = lambda source, message: self.hub.receive(message)
        self.visitors = [Visitor(str(number)) for number in range(3)]
        self.truth = History()
        self.truth.position = (self.history.epoch, 0)
        self.epochs = 1

    def do(self, work: Coroutine[Any, Any, object]) -> None:
        """Lets something happen, and everything that follows from it at once."""

        async def whole() -> None:
            await work
            await turns()
            for visitor in self.visitors:
                if visitor.line is not None:
                    await visitor.line.settled()
                    visitor.hear()

        self.loop.run_until_complete(whole())

    def published(self) -> dict[str, Any]:
        """A new frame in the history, not yet on the bus."""
        message = dict(self.history.publish())
        place = message["epoch"], message["offset"]
        frame = json.loads(message["frame"]) | {"id": f"{place[0]}:{place[1]}"}
        message["frame"] = json.dumps(frame)
        self.history.frames[-1] = Published(place[1], message["frame"])
        self.truth.add(place, frame["id"])
        return message

    async def send(self, *messages: dict[str, Any]) -> None:
        """What the bus delivers, in this order."""
        for message in messages:
            self.bus.publish(lobby_group(), message)

    async def come(self, visitor: Visitor) -> None:
        """Connects, or tries to."""
        await self.go(visitor)
        at = visitor.view.position
        try:
            await self.hub.subscribe(
                visitor.dial(), LOBBY, Position(*at) if at else None, 0, self._answer
            )
        except Overloaded:
            visitor.line = None

    def _answer(self, at: Position, recovered: bool) -> str:
        frame = {"type": "subscribed", "epoch": at.epoch, "offset": at.offset}
        return json.dumps(frame | {"recovered": recovered})

    async def go(self, visitor: Visitor) -> None:
        """Loses the connection, if there is one."""
        if visitor.line is not None:
            self.hub.unsubscribe(visitor.line.id, "demo", "lobby")
            await visitor.line.settled()
            visitor.hear()
            visitor.line = None

    @rule(number=CLIENTS)
    def connect(self, number: int) -> None:
        self.do(self.come(self.visitors[number]))

    @rule(number=CLIENTS)
    def kill_a_connection(self, number: int) -> None:
        self.do(self.go(self.visitors[number]))

    @rule(count=st.integers(1, 5))
    def publish(self, count: int) -> None:
        self.do(self.send(*(self.published() for _ in range(count))))

    @rule(count=st.integers(1, 3))
    def drop_frames_on_the_bus(self, count: int) -> None:
        for _ in range(count):
            self.published()

    @rule(twice=st.booleans())
    def swap_frames_on_the_bus(self, twice: bool) -> None:
        first, second = self.published(), self.published()
        self.do(self.send(second, first, *([second] if twice else [])))

    @rule(kept=st.integers(0, 3))
    def trim_the_history(self, kept: int) -> None:
        self.history.forget(max(0, len(self.history.frames) - kept))

    @rule()
    def begin_a_new_epoch(self) -> None:
        self.epochs += 1
        self.history.wipe(f"e{self.epochs}")
        self.truth.position = (self.history.epoch, 0)

    @rule(bus=st.booleans(), history=st.booleans())
    def redis_goes_away_or_comes_back(self, bus: bool, history: bool) -> None:
        self.bus.away, self.history.away = bus, history

    @precondition(lambda self: not self.history.away and not self.bus.away)
    @rule()
    def the_check_finds_what_was_lost(self) -> None:
        self.do(self.hub.check())
        for visitor in self.visitors:
            if visitor.is_live:
                assert visitor.view.position == self.truth.position

    @invariant()
    def nobody_has_a_hole_or_a_double(self) -> None:
        for visitor in self.visitors:
            assert visitor.view.faults == []

    def teardown(self) -> None:
        """In the end everybody comes back and knows everything, or was told."""
        self.bus.away = self.history.away = False
        for visitor in self.visitors:
            # An epoch that has just begun is refused once.
            for _ in range(2):
                if not visitor.is_live:
                    self.do(self.come(visitor))
        self.do(self.hub.check())
        try:
            for visitor in self.visitors:
                assert not visitor.is_live or against(self.truth, visitor.view) == []
        finally:
            self.do(self.hub.stop())
            self.loop.close()


def test_a_clients_view_is_the_servers_state_or_it_was_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hubs, "IN_FLIGHT_S", 0)
    monkeypatch.setattr(hubs, "RETRY_S", 0)
    run_state_machine_as_test(
        Model, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
