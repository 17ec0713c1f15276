from ipaddress import ip_network

import pytest

from streams import addresses

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1, 10.2.3.4"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense, 10.2.3.4"], "10.2.3.4"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("fd00::1", ["[2001:db8:1:2:3::4]:80"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::4", [], "2001:db8:1:2::/64"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_rightmost_hop_that_is_no_trusted_proxy_counts(
    peer: str, forwarded: list[str], expected: str
) -> None:
    assert addresses.of(peer, forwarded, PROXIES) == expected


def test_a_scope_gives_its_peer_and_its_headers() -> None:
    scope = {"client": ("10.0.0.1", 5), "headers": [(b"x-forwarded-for", b"198.51.100.1")]}

    assert addresses.of_scope(scope, PROXIES) == "198.51.100.1"
    assert addresses.of_scope(scope, ()) == "10.0.0.1"
    assert addresses.of_scope({"client": None}, PROXIES) == ""


def test_stored_addresses_depend_on_the_secret() -> None:
    assert addresses.hashed("a", "1.2.3.4") != addresses.hashed("b", "1.2.3.4")
    assert len(addresses.hashed("a", "1.2.3.4")) == 32
