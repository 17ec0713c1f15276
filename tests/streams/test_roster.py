"""Who is owed a departure, and who came back in time."""

import asyncio

import pytest

from inference.errors import Overloaded
from streams.roster import Roster
from tests.streams.fakes import FakePresences, turns
from tests.streams.people import a_client

ANN = a_client(user="ann", name="Ann")


class Case:
    def __init__(self) -> None:
        self.presences = FakePresences()
        self.roster = Roster(self.presences)

    async def join(self) -> None:
        await self.roster.join(ANN, "lobby", ["lobby"])

    @property
    def is_there(self) -> bool:
        return ANN.session in self.presences.present.get("lobby", {})


@pytest.fixture
async def case() -> Case:
    made = Case()
    await made.join()
    return made


async def test_what_is_owed_is_tried_until_it_is_done(case: Case) -> None:
    case.roster.owe(ANN, "lobby")
    case.presences.away = True
    for _ in range(2):
        with pytest.raises(Overloaded):
            await case.roster.settle()
    case.presences.away = False
    await case.roster.settle()

    assert not case.is_there


async def test_nothing_is_owed_twice(case: Case) -> None:
    case.roster.owe(ANN, "lobby")
    await case.roster.settle()
    case.presences.away = True

    await case.roster.settle()


async def test_who_comes_back_is_not_taken_away(case: Case) -> None:
    case.roster.owe(ANN, "lobby")
    await case.join()
    await case.roster.settle()

    assert case.is_there


async def test_who_comes_back_while_it_is_taken_away_is_there_in_the_end(case: Case) -> None:
    gate = asyncio.Event()
    case.presences.gate = gate.wait
    case.roster.owe(ANN, "lobby")
    settling = asyncio.create_task(case.roster.settle())
    await turns()
    case.presences.gate = None
    joining = asyncio.create_task(case.join())
    await turns()
    gate.set()
    await asyncio.gather(settling, joining)

    assert case.is_there


async def test_who_left_while_it_joined_is_taken_away(case: Case) -> None:
    await case.roster.join(ANN, "lobby", [])
    await case.roster.settle()

    assert not case.is_there
