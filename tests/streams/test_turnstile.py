"""Who may come in is counted by process and by address, and for each request of a proxy."""

from collections import Counter
from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.limits import check
from streams.turnstile import Refusal, Turnstile, Visit

PROXY = "10.0.0.1"


class Hall:
    """A turnstile under a clock of its own."""

    def __init__(self, limits: Mapping[str, str] | None = None) -> None:
        self.now = 100.0
        self.refused = Counter[str]()
        count = self.refused.update
        self.turnstile = Turnstile(
            [ip_network("10.0.0.0/8")], lambda: self.now, lambda limit: count([limit])
        )
        if limits is not None:
            self.limit(**limits)

    def limit(self, **limits: str) -> None:
        """Names as `address_sockets`."""
        names = ((name.replace("_", ".", 1), rate) for name, rate in limits.items())
        self.turnstile.use({name: check(name, rate) for name, rate in names})

    def come(self, *peers: str) -> list[Visit]:
        return [self.turnstile.visit(peer) for peer in peers]

    def turned_away(self, *peers: str) -> list[Refusal | None]:
        return [visit.refusal for visit in self.come(*peers)]


def test_an_address_has_so_many_connections_and_another_one_its_own() -> None:
    hall = Hall({"address_sockets": "2"})
    first, *_ = hall.come("1.1.1.1", "1.1.1.1", "2.2.2.2")
    assert hall.turned_away("1.1.1.1", "2.2.2.2") == [Refusal("address.sockets", 5), None]

    first.end()
    first.end()
    assert hall.turned_away("1.1.1.1", "1.1.1.1") == [None, Refusal("address.sockets", 5)]
    assert hall.refused == {"address.sockets": 2}


def test_a_process_has_so_many_connections_from_wherever_they_come() -> None:
    hall = Hall({"process_sockets": "3"})
    _, second, _ = hall.come("1.1.1.1", "2.2.2.2", "")
    assert hall.turned_away("3.3.3.3") == [Refusal("process.sockets", 5)]

    second.end()
    assert hall.turned_away("3.3.3.3", "4.4.4.4") == [None, Refusal("process.sockets", 5)]


def test_an_address_that_comes_too_fast_is_told_when_there_is_room_again() -> None:
    hall = Hall({"address_accepts": "1/4s burst 2"})
    assert hall.turned_away(*["1.1.1.1"] * 3) == [None, None, Refusal("address.accepts", 4)]
    hall.now += 3.9
    assert hall.turned_away("1.1.1.1", "2.2.2.2") == [Refusal("address.accepts", 1), None]
    hall.now += 0.1
    assert hall.turned_away("1.1.1.1") == [None]


def test_one_address_that_is_turned_away_takes_no_room_from_others() -> None:
    hall = Hall({"address_accepts": "2/1s", "process_accepts": "4/1s"})
    assert hall.turned_away(*["1.1.1.1"] * 50).count(None) == 2
    assert hall.turned_away("2.2.2.2", "3.3.3.3") == [None, None]
    assert hall.turned_away("4.4.4.4") == [Refusal("process.accepts", 1)]


def test_addresses_of_one_ipv6_network_are_one() -> None:
    hall = Hall({"address_sockets": "1"})
    found = hall.turned_away("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1")
    assert found == [None, Refusal("address.sockets", 5), None]


def test_each_request_of_a_proxy_counts_for_the_client_that_it_names() -> None:
    hall = Hall({"address_sockets": "1"})
    visits = hall.come(*[PROXY] * 3)
    assert not any(visit.refusal for visit in visits)
    clients = ["1.1.1.1", "1.1.1.1", "2.2.2.2, 10.0.0.7"]
    found = [visit.request([client]) for visit, client in zip(visits, clients, strict=True)]

    assert found == [None, Refusal("address.sockets", 5), None]


def test_the_next_request_on_a_proxys_connection_ends_the_one_before() -> None:
    hall = Hall({"address_sockets": "1"})
    one, other = hall.come(PROXY, PROXY)
    assert one.request(["1.1.1.1"]) is None
    assert one.request(["2.2.2.2"]) is None
    assert other.request(["1.1.1.1"]) is None
    one.end()
    other.end()
    assert hall.turned_away("1.1.1.1", "2.2.2.2") == [None, None]


def test_a_client_cannot_name_another_address_than_its_own() -> None:
    hall = Hall({"address_sockets": "1"})
    first, second = hall.come("1.1.1.1", "1.1.1.1")
    assert first.request(["9.9.9.9"]) is None
    assert second.request(["8.8.8.8"]) == Refusal("address.sockets", 5)


@pytest.mark.parametrize("peer", ["", "nonsense", "/run/socket"])
def test_one_without_an_address_counts_for_the_process_only(peer: str) -> None:
    hall = Hall({"address_sockets": "1", "address_accepts": "1/1h", "process_sockets": "3"})
    assert hall.turned_away(*[peer] * 4) == [*[None] * 3, Refusal("process.sockets", 5)]


def test_a_storm_of_a_thousand_clients_a_second_passes_unless_told_otherwise() -> None:
    hall = Hall()
    for number in range(10_000):
        hall.now += 0.001
        visit = hall.turnstile.visit(f"203.0.{number % 100}.{number // 100}")
        assert visit.refusal is None


def test_ten_thousand_from_one_address_do_not_pass_unless_told_otherwise() -> None:
    hall = Hall()
    assert hall.turned_away(*["1.1.1.1"] * 10_000).count(None) == 400
    hall.now += 600
    assert hall.turned_away(*["1.1.1.1"] * 10_000).count(None) == 400
    hall.now += 600
    assert hall.turned_away(*["1.1.1.1"] * 10_000).count(None) == 200


def test_limits_that_are_lifted_or_raised_hold_at_once() -> None:
    hall = Hall({"address_accepts": "1/1h", "address_sockets": "1"})
    assert hall.turned_away("1.1.1.1", "1.1.1.1")[1] is not None
    hall.limit(address_accepts="10/1s", address_sockets="2")
    assert hall.turned_away("1.1.1.1") == [Refusal("address.accepts", 1)]
    hall.now += 0.1
    assert hall.turned_away("1.1.1.1") == [None]
    hall.limit()
    assert not any(hall.turned_away(*["1.1.1.1"] * 1_000))


def test_addresses_that_are_gone_are_forgotten() -> None:
    hall = Hall()
    for visit in hall.come(*(f"203.0.113.{number}" for number in range(200))):
        visit.end()
    hall.now += 60
    hall.come("1.1.1.1")
    assert hall.turnstile._addresses.keys() == {"1.1.1.1"}
    assert hall.turnstile._open.keys() == {"1.1.1.1"}


@given(st.lists(st.tuples(st.sampled_from(["1.1.1.1", "2.2.2.2"]), st.integers(0, 4))))
def test_no_more_than_the_caps_are_ever_in(steps: list[tuple[str, int]]) -> None:
    hall = Hall({"address_sockets": "2", "process_sockets": "3"})
    inside: list[tuple[str, Visit]] = []
    for peer, leaving in steps:
        visit = hall.turnstile.visit(peer)
        if visit.refusal is None:
            inside.append((peer, visit))
        count = Counter(each for each, _ in inside)
        assert (visit.refusal is None) or count[peer] == 2 or count.total() == 3
        assert max(count.values(), default=0) <= 2
        assert count.total() <= 3
        if leaving < len(inside):
            inside.pop(leaving)[1].end()
