"""A model's text on its way to readers, and how long one waits for it."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

import pytest
from django.core.validators import MaxValueValidator
from django.db.models import Field

from generation import pieces
from generation.assistants import Backend, ModelSettings
from generation.models import AssistantModelRecord
from generation.pieces import Gathered, Item, Pieces
from generation.upstream_httpx import ATTEMPTS, MAX_PAUSE_S, Upstream
from inference.generator import Cancellation, Ended, Finish, Piece
from tests.generation.answers import a_generation
from tests.generation.scripted import Notes, Scripted, Step


class Timetable:
    """An inbox that gets its items at given times, in seconds, and the clock by which it does."""

    def __init__(self, *items: tuple[float, Item]) -> None:
        self.now = 0.0
        self._items = deque(items)

    def clock(self) -> float:
        return self.now

    def put(self, item: Item) -> None:
        """What the model's own thread says is not on the timetable."""

    def get(self, *, timeout: float) -> Item:
        if not self._items or self._items[0][0] > self.now + timeout:
            self.now += timeout
            raise Empty
        at, item = self._items.popleft()
        self.now = max(self.now, at)
        return item


@contextmanager
def shown(table: Timetable) -> Iterator[Iterator[Gathered]]:
    """What is shown of a model that writes by the timetable."""
    cancellation = Cancellation()
    model = Scripted(threading.Event())
    yield iter(Pieces(model, a_generation(), cancellation, Notes(), table.clock, table))
    cancellation.cancel()


def written(*places: float) -> list[tuple[float, Item]]:
    """Pieces at these times, each named after its own."""
    return [(place, Piece(f"{place:g} ")) for place in places]


def test_the_first_piece_is_shown_when_it_comes() -> None:
    table = Timetable(*written(1.5, 1.5001, 1.501))
    with shown(table) as found:
        assert next(found) == Gathered("1.5 ", 1)
        assert table.now == 1.5


def test_a_piece_is_shown_forty_milliseconds_after_the_last_while_the_model_is_held() -> None:
    table = Timetable(*written(1.5, 1.51, 1.53, 60.0))
    with shown(table) as found:
        next(found)
        assert next(found) == Gathered("1.51 1.53 ", 2)
        assert table.now == pytest.approx(1.54)


def test_a_model_that_writes_all_the_time_is_shown_every_forty_milliseconds() -> None:
    table = Timetable(*written(*(1.5 + n / 128 for n in range(128))))
    times = []
    with shown(table) as found:
        for _ in range(20):
            next(found)
            times.append(table.now)

    assert times == pytest.approx([1.5 + 0.04 * n for n in range(20)])


def test_pieces_fifty_milliseconds_apart_are_shown_one_by_one_as_they_come() -> None:
    table = Timetable(*written(1.5, 1.55, 1.6, 1.65))
    with shown(table) as found:
        for place in (1.5, 1.55, 1.6, 1.65):
            assert next(found) == Gathered(f"{place:g} ", 1)
            assert table.now == place


def test_what_came_while_the_last_was_told_is_shown_together_at_once() -> None:
    table = Timetable(*written(1.5, 1.6, 1.7, 1.85))
    with shown(table) as found:
        next(found)
        table.now = 1.8
        assert next(found) == Gathered("1.6 1.7 ", 2)
        assert table.now == 1.8


def test_an_end_is_shown_when_it_comes_with_what_waited() -> None:
    end = Ended(Finish.STOP, 7, 2)
    table = Timetable(*written(1.5, 1.51), (1.52, end))
    with shown(table) as found:
        next(found)
        assert next(found) == Gathered("1.51 ", 1, end)
        assert table.now == 1.52
        assert list(found) == []


class Impatient(Scripted):
    """One that has failed when it said nothing for a moment."""

    stall_s = 0.05


def gathered(monkeypatch: pytest.MonkeyPatch, model: Scripted) -> list[Gathered]:
    """All that comes of a model, of which one sees soon that it thinks."""
    monkeypatch.setattr(pieces, "REFUSAL_S", 0.01)
    cancellation = Cancellation()
    found = list(Pieces(model, a_generation(), cancellation, Notes()))
    cancellation.cancel()
    return found


@pytest.mark.parametrize("before", [[], ["Half a"]])
def test_a_model_that_says_nothing_for_its_time_has_failed(
    monkeypatch: pytest.MonkeyPatch, before: list[Step]
) -> None:
    found = gathered(monkeypatch, Impatient(*before, threading.Event(), "Late"))

    assert "".join(each.text for each in found) == "".join(map(str, before))
    assert str(found[-1].end) == "No word for 0 s."


def most(field: str) -> float:
    """What an operator may set at most."""
    found = AssistantModelRecord._meta.get_field(field)
    assert isinstance(found, Field)
    (limit,) = [each for each in found.validators if isinstance(each, MaxValueValidator)]
    return float(limit.limit_value)


def test_a_server_may_take_the_longest_time_that_can_be_set() -> None:
    connect_s, token_s = most("connect_timeout_s"), most("token_timeout_s")
    times: dict[str, Any] = {"connect_timeout_s": connect_s, "token_timeout_s": token_s}
    slowest = ModelSettings("far", Backend.OPENAI, **times)

    own_s = ATTEMPTS * (connect_s + token_s) + (ATTEMPTS - 1) * MAX_PAUSE_S

    assert Upstream(slowest).stall_s > own_s
