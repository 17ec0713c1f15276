"""Who is owed a departure, and who came back in time."""

import asyncio

import pytest

from inference.errors import Overloaded
from streams.clients import Client
from streams.roster import AT_ONCE, Roster
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

    async def settle_once_it_is_back(self) -> None:
        """Twice in vain, while presence is away, and then for good."""
        self.presences.away = True
        for _ in range(2):
            with pytest.raises(Overloaded):
                await self.roster.settle()
        self.presences.away = False
        await self.roster.settle()


@pytest.fixture
async def case() -> Case:
    made = Case()
    await made.join()
    return made


async def test_whoever_was_lost_joins_again_together() -> None:
    case, under_way = Case(), 0
    most = 0

    async def gate() -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await turns(2)
        under_way -= 1

    case.presences.gate = gate
    people = [a_client(session=f"s{number}") for number in range(AT_ONCE + 3)]
    await case.roster.join_again((each, ["lobby", "other"]) for each in people)

    assert most == AT_ONCE
    assert {len(case.presences.present[stream]) for stream in ("lobby", "other")} == {len(people)}


async def test_what_is_owed_is_tried_until_it_is_done(case: Case) -> None:
    case.roster.owe(ANN, "lobby")
    await case.settle_once_it_is_back()

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


async def test_who_is_missing_is_added_once_that_can_be_and_only_once() -> None:
    case = Case()
    case.roster.miss(ANN, "lobby", ["lobby"])
    await case.settle_once_it_is_back()
    assert case.is_there

    case.presences.away = True
    await case.roster.settle()


async def test_who_left_while_it_was_missing_is_not_added() -> None:
    case, streams = Case(), ["lobby"]
    case.roster.miss(ANN, "lobby", streams)
    streams.clear()
    await case.roster.settle()

    assert not case.is_there


@pytest.mark.parametrize("is_back", [True, False])
async def test_of_what_is_owed_and_what_is_missing_the_last_one_counts(is_back: bool) -> None:
    case = Case()
    case.roster.miss(ANN, "lobby", ["lobby"])
    case.roster.owe(ANN, "lobby")
    if is_back:
        case.roster.miss(ANN, "lobby", ["lobby"])
    await case.roster.settle()

    assert case.is_there is is_back


async def test_who_leaves_while_it_is_added_is_taken_away() -> None:
    case, streams, gate = Case(), ["lobby"], asyncio.Event()
    case.roster.miss(ANN, "lobby", streams)
    case.presences.gate = gate.wait
    settling = asyncio.create_task(case.roster.settle())
    await turns()
    streams.clear()
    gate.set()
    await settling
    await case.roster.settle()

    assert not case.is_there


async def test_who_has_left_already_is_not_missed_and_still_owed(case: Case) -> None:
    case.roster.owe(ANN, "lobby")
    case.roster.miss(ANN, "lobby", [])
    await case.roster.settle()

    assert not case.is_there


async def test_who_left_while_it_was_added_of_which_the_news_was_lost_is_taken_away() -> None:
    case = Case()

    async def join_and_fail(client: Client, stream: str) -> None:
        case.presences.present[stream] = {client.session: (client.user, client.name)}
        raise Overloaded("The news is lost.")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(case.presences, "join", join_and_fail)
        with pytest.raises(Overloaded):
            await case.roster.join(ANN, "lobby", [])
    assert case.is_there
    await case.roster.settle()

    assert not case.is_there


async def test_who_left_while_it_joined_is_taken_away(case: Case) -> None:
    await case.roster.join(ANN, "lobby", [])
    await case.roster.settle()

    assert not case.is_there
