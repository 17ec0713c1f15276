"""What a slow client hears of who came and went: the last of it, in its place."""

import json
from typing import Any

import pytest

from streams.outbox import Outbox
from tests.streams.fakes import FakeClock, FakeReader, lobby_group, turns
from tests.streams.test_hub import Case
from tests.streams.test_outbox import Transport


class Stalled:
    """A reader who asked who is there, and whose transport takes nothing until `got`."""

    def __init__(self) -> None:
        self.case = Case()
        self.transport = Transport()
        self.reader = FakeReader()
        self.reader.outbox = Outbox(self.transport.write, lambda: None, clock=FakeClock())

    async def enter(self) -> "Stalled":
        await self.case.subscribe(self.reader)
        found = self.case.hub.subscription(self.reader.id, "demo", "lobby")
        assert found is not None
        found.wants_presence = True
        await self.reader.outbox.drained()
        self.transport.written.clear()
        self.transport.open.clear()
        self.reader.outbox.put('{"type":"first"}')
        await turns()
        return self

    def event(self, kind: str, user: str) -> None:
        event = {
            "type": "stream.event", "stream": "demo/lobby", "kind": kind, "user": user,
            "frame": json.dumps({"type": kind, "user": user}),
        }  # fmt: skip
        self.case.bus.publish(lobby_group(), event)

    async def got(self) -> list[tuple[str, Any]]:
        """Types and users of all that came behind the first frame."""
        self.transport.open.set()
        await self.reader.outbox.drained()
        frames = [json.loads(line) for text in self.transport.written for line in text.split("\n")]
        return [(frame["type"], frame.get("user", frame.get("offset"))) for frame in frames[1:]]


@pytest.mark.parametrize(
    ("events", "last"),
    [
        (["joined", "left", "joined"], "joined"),
        (["left", "joined", "left"], "left"),
        (["joined", "left"], "left"),
    ],
)
async def test_of_one_who_comes_and_goes_a_slow_client_hears_the_last(
    events: list[str], last: str
) -> None:
    stalled = await Stalled().enter()
    for kind in events:
        stalled.event(kind, "ann")

    assert await stalled.got() == [(last, "ann")]


async def test_the_last_word_on_a_user_stands_behind_what_came_before_it() -> None:
    stalled = await Stalled().enter()
    stalled.event("joined", "ann")
    stalled.event("joined", "bob")
    stalled.case.publish()
    stalled.event("left", "ann")

    assert await stalled.got() == [("joined", "bob"), ("message", 1), ("left", "ann")]


async def test_typing_and_coming_do_not_replace_each_other() -> None:
    stalled = await Stalled().enter()
    stalled.event("joined", "ann")
    stalled.event("typing", "ann")

    assert await stalled.got() == [("joined", "ann"), ("typing", "ann")]


async def test_a_waiting_word_is_replaced_also_while_the_client_is_behind() -> None:
    stalled = await Stalled().enter()
    stalled.event("joined", "ann")
    stalled.reader.outbox.put(json.dumps({"type": "large", "text": "x" * 600_000}))
    stalled.event("left", "ann")
    stalled.event("joined", "bob")

    assert await stalled.got() == [("large", None), ("left", "ann")]
