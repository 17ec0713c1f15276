"""A stall lasts as long as the client takes nothing, whatever is written meanwhile."""

import pytest

from streams import stalls
from tests.streams.fakes import FakeClock


class Client:
    """Takes bytes when a test says so."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.began = self.clock.now
        self.count = 0
        self.stall = stalls.Stall(self.clock)
        self.taken: stalls.Taken = lambda: self.count

    def after(self, seconds: float, *, takes: int = 0) -> float:
        """How long the stall lasts then."""
        self.clock.now += seconds
        self.count += takes
        return self.stall.lasts(self.began, self.taken)


def test_one_that_takes_nothing_stalls_since_its_bytes_wait() -> None:
    client = Client()

    assert [client.after(1), client.after(2), client.after(3)] == [1, 3, 6]


def test_one_that_takes_a_little_does_not_stall() -> None:
    client = Client()
    found = [client.after(0.5)] + [client.after(3, takes=1) for _ in range(5)]

    assert found == [0.5, 0, 0, 0, 0, 0]
    assert client.after(4) == 4


def test_where_it_is_unknown_a_write_that_lasts_is_a_stall_and_a_new_one_is_none() -> None:
    client = Client()
    client.taken = stalls.unknown
    assert client.after(4) == 4

    client.began = client.clock.now
    assert client.after(4) == 4


def test_one_for_whom_nothing_waits_does_not_stall() -> None:
    client = Client()
    client.after(4)
    assert client.stall.lasts(None, client.taken) == 0

    client.began = client.clock.now
    assert client.after(1) == 1


def test_a_stall_is_counted_from_the_first_look_that_finds_bytes() -> None:
    client = Client()
    found = []
    for waiting in (False, True, True, True, False, True):
        client.clock.now += 2
        found.append(client.stall.lasts_while(waiting, client.taken))

    assert found == [0, 0, 2, 4, 0, 0]


@pytest.mark.parametrize("scope", [{}, {"extensions": None}, {"extensions": {}}])
def test_a_server_that_says_nothing_leaves_it_unknown(scope: dict[str, object]) -> None:
    assert stalls.taken(scope) is stalls.unknown
