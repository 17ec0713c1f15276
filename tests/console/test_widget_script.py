"""How `/widget/v1.js` is served."""

import gzip
import re

import pytest
from django.test import Client

from console.views import WIDGET
from tests.product import ROOT

BUDGET = 16 * 1024
"""Bytes after gzip: what every page that embeds the widget pays."""


@pytest.fixture
def script(client: Client) -> str:
    return client.get("/widget/v1.js").content.decode()


def test_it_is_one_script_that_any_site_may_load(client: Client) -> None:
    response = client.get("/widget/v1.js")

    assert response.status_code == 200
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert response["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "max-age=300" in response["Cache-Control"]
    assert not response.cookies


def test_it_has_every_module_after_those_that_it_imports() -> None:
    seen: set[str] = set()
    for name in WIDGET:
        source = (ROOT / "streams/static/streams" / f"{name}.js").read_text()
        assert set(re.findall(r'from "\./(\w+)\.js"', source)) <= seen, name
        seen.add(name)


def test_it_keeps_its_budget(client: Client) -> None:
    response = client.get("/widget/v1.js", headers={"Accept-Encoding": "gzip, br"})

    assert response["Content-Encoding"] == "gzip"
    assert response["Vary"] == "Accept-Encoding"
    assert len(response.content) <= BUDGET
    assert gzip.decompress(response.content) == client.get("/widget/v1.js").content


def test_a_cached_copy_is_not_sent_again(client: Client) -> None:
    tag = client.get("/widget/v1.js")["ETag"]

    response = client.get("/widget/v1.js", headers={"If-None-Match": tag})

    assert response.status_code == 304
    assert response.content == b""


def test_it_is_not_written_to(client: Client) -> None:
    assert client.post("/widget/v1.js").status_code == 405


@pytest.mark.parametrize(
    "forbidden",
    [
        r"\beval\b",
        r"new Function",
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write",
        r"document\.cookie|localStorage",
        r"\.style\b|setAttribute\(\"style|cssText",
        r"[?&]token=",
        r"^(import|export)\b",
    ],
)
def test_it_does_nothing_that_a_strict_page_forbids(script: str, forbidden: str) -> None:
    assert re.search(forbidden, script, re.MULTILINE) is None


def test_it_shows_cookies_to_nobody_but_the_page_s_own_server(script: str) -> None:
    assert re.findall("credentials: .*", script) == [
        'credentials: this.isKnown ? "same-origin" : "omit",'
    ]
