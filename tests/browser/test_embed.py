"""The widget on other people's pages, under a strict policy of theirs."""

import functools
import http.server
import re
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.test_chat import fresh
from tests.browser.windows import Window, Windows
from tests.product import Product

PAGE = """<!doctype html><html lang="en"><title>Somebody's page</title>
<h1>Somebody's page</h1><div id="here"></div><p>The end.</p>
<script src="{url}/widget/v1.js" data-site="pk_demo" data-stream="lobby"
  data-title="Guest book" data-target="#here" data-name="Visitor" async></script></html>"""


class Somebody(http.server.BaseHTTPRequestHandler):
    """Serves one page; it allows the product's script and connections, and nothing else."""

    def __init__(self, url: str, *rest: object) -> None:
        self._url = url
        super().__init__(*rest)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        """The page, or nothing for a browser that asks for an icon."""
        body = PAGE.format(url=self._url).encode() if self.path == "/" else b""
        socket = self._url.replace("http", "ws", 1)
        policy = f"default-src 'none'; script-src {self._url}; connect-src {self._url} {socket}"
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture
def site(product: Product) -> Iterator[str]:
    """The origin of somebody's page."""
    handler = functools.partial(Somebody, product.url)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def allow(operator: Window, product: Product) -> Callable[[str], None]:
    """Adds an origin to the demo site, on the admin's page."""

    def add(origin: str) -> None:
        page = operator.page
        page.goto(f"{product.url}/admin/streams/site/demo/change/")
        box = page.locator("[name=allowed_origins]")
        listed = box.input_value().rstrip()
        sign = f'{listed[:-1]}, "{origin}"]' if listed.endswith("]") else f"{listed}\n{origin}"
        box.fill(sign)
        page.get_by_role("button", name="Save", exact=True).click()
        expect(page.locator(".messagelist")).to_contain_text("changed successfully")

    return add


def test_the_widget_works_on_an_allowed_origin_under_a_strict_policy(
    windows: Windows, bob: Window, site: str, allow: Callable[[str], None]
) -> None:
    allow(site)
    visitor = windows.new().open_chat(f"{site}/")
    text = fresh("Greetings from another site.")

    visitor.say(text)

    bob.sees(text)
    assert bob.item(text).locator("b").inner_text() == "Visitor"
    expect(visitor.page.locator("#here").get_by_role("region", name="Guest book")).to_be_visible()
    assert visitor.context.cookies() == []
    assert "style" not in visitor.page.locator(".rtai-widget").evaluate(
        "host => host.getAttributeNames().concat(...[...host.shadowRoot.querySelectorAll('*')]"
        ".map((each) => each.getAttributeNames()))"
    )


def test_the_token_is_in_no_address(windows: Windows, product: Product) -> None:
    window = windows.new()
    addresses: list[str] = []
    window.page.on("request", lambda request: addresses.append(request.url))
    window.page.on("websocket", lambda socket: addresses.append(socket.url))

    window.open_chat(f"{product.url}/demo/")

    assert any(each.startswith("ws://") for each in addresses)
    assert not [each for each in addresses if re.search(r"eyJ|token=", each)]


def test_a_foreign_origin_is_refused(windows: Windows, site: str) -> None:
    visitor = windows.new()
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url))
    visitor.page.goto(f"{site}/")

    words = re.compile("may not use the chat")
    expect(visitor.page.locator(".banner")).to_have_text(words, timeout=20_000)
    assert visitor.page.locator(".rtai-widget").count() == 1
    assert sum(each.endswith("/widget/v1/token") for each in asked) == 1
    assert visitor.page.locator(".live").inner_text() != "Live"
    assert visitor.texts() == []
    visitor.forgive("widget/v1/token|Failed to load resource")
