"""Who comes in, whatever carries it."""

from typing import Any

import pytest

from inference.errors import Forbidden, Unauthorized
from streams import doors
from streams.directory import SiteInfo
from streams.tokens import Claims
from tests.streams.fakes import FakeDirectory

CLAIMS = Claims("demo", "ann", "Ann", ("lobby",), "member", 2_000_000_000)


class Directory(FakeDirectory):
    def site(self, slug: str) -> SiteInfo | None:
        origins = ("https://example.org", "https://*.shop.example")
        return SiteInfo(slug, slug, "pk", origins) if slug == "demo" else None


def a_scope(**headers: str) -> dict[str, Any]:
    """A scope whose headers are named with underscores."""
    pairs = [(key.replace("_", "-").encode(), each.encode()) for key, each in headers.items()]
    return {"headers": pairs, "client": ("192.0.2.7", 4711)}


@pytest.mark.parametrize(
    ("value", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
        ("BEARER abc", "abc"),
        ("Bearer ", None),
        ("Bearer", None),
        ("Basic abc", None),
        ("abc", None),
        ("", None),
    ],
)
def test_a_token_is_what_follows_the_word_bearer(value: str, token: str | None) -> None:
    assert (doors.bearer(a_scope(authorization=value)) or None) == token


def test_a_scope_without_headers_has_no_token() -> None:
    assert doors.bearer({}) is None


@pytest.mark.parametrize("origin", ["https://example.org", "https://a.shop.example"])
def test_a_page_on_the_list_may_come_in(origin: str) -> None:
    doors.check_origin(a_scope(origin=origin), CLAIMS, Directory())


def test_who_sends_no_origin_is_no_browser_and_may_come_in() -> None:
    doors.check_origin(a_scope(), CLAIMS, Directory())


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "https://shop.example"])
def test_another_page_may_not(origin: str) -> None:
    with pytest.raises(Forbidden):
        doors.check_origin(a_scope(origin=origin), CLAIMS, Directory())


def test_one_foreign_origin_among_several_is_enough() -> None:
    scope = a_scope()
    scope["headers"] = [(b"origin", b"https://example.org"), (b"origin", b"https://evil.example")]
    with pytest.raises(Forbidden):
        doors.check_origin(scope, CLAIMS, Directory())


def test_a_site_that_does_not_exist_lets_nobody_in() -> None:
    claims = Claims("gone", "ann", "Ann", ("lobby",), "member", 2_000_000_000)
    with pytest.raises(Unauthorized):
        doors.check_origin(a_scope(origin="https://example.org"), claims, Directory())


def test_a_client_is_its_claims_and_a_hash_of_its_address() -> None:
    client = doors.client_of(a_scope(), CLAIMS, "s1", (), "secret")
    other = doors.client_of(a_scope() | {"client": ("192.0.2.8", 1)}, CLAIMS, "s1", (), "secret")

    assert (client.site, client.user, client.session) == ("demo", "ann", "s1")
    assert client.streams == {"lobby"}
    assert client.expires_ms == 2_000_000_000_000
    assert "192.0.2.7" not in client.address
    assert client.address != other.address
