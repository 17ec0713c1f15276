import pytest

from streams.origins import allowed

LISTED = ("https://example.org", "https://*.shop.example", "http://localhost:8000")


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.org",
        "https://EXAMPLE.org",
        "https://example.org:443",
        "https://a.shop.example",
        "https://a.b.shop.example",
        "http://localhost:8000",
    ],
)
def test_listed_origins_pass(origin: str) -> None:
    assert allowed(origin, LISTED)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "example.org",
        "http://example.org",
        "https://example.org:8443",
        "https://example.org.evil.example",
        "https://evilexample.org",
        "https://example.org@evil.example",
        "https://evil.example/https://example.org",
        "https://example.org/",
        "https://example.org#",
        "https://exаmple.org",  # The third letter is Cyrillic.
        "https://shop.example",
        "https://evilshop.example",
        "https://.shop.example",
        "https://a.shop.example.evil.example",
        "https://*.shop.example",
        "http://localhost",
        "http://localhost:80000000",
        "https://example.org https://evil.example",
        "https://example.org\n",
        "file://",
    ],
)
def test_everything_else_does_not(origin: str) -> None:
    assert not allowed(origin, LISTED)


def test_null_passes_only_where_it_is_listed_literally() -> None:
    assert allowed("null", ["null"])
    assert not allowed("null", ["https://*.example.org"])


def test_an_empty_list_allows_no_page() -> None:
    assert not allowed("https://example.org", [])
