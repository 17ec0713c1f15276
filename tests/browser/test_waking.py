"""The widget comes back when the network or the page does, and not only when its wait is over."""

import re

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.windows import Windows
from tests.product import Product, until

SHOWN = "document.dispatchEvent(new Event('visibilitychange'))"
HIDDEN = "Object.defineProperty(document, 'hidden', { value: true, configurable: true })"


class Waiting:
    """A widget whose connection was lost, on a page where time stands still."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.dialled: list[WebSocketRoute] = []
        page.route_web_socket(re.compile("/ws/v1/"), self._through)
        page.clock.install()
        page.goto(url)
        expect(page.locator(".live")).to_have_text("Live", timeout=30_000)
        page.clock.pause_at(page.evaluate("Date.now()") / 1000 + 1)
        self.dialled[0].close(code=4012)
        expect(page.locator(".live")).not_to_have_text("Live")

    def _through(self, route: WebSocketRoute) -> None:
        self.dialled.append(route)
        route.connect_to_server()

    def dials(self) -> int:
        """How often it dialled, all that the page did so far included."""
        self.page.evaluate("0")
        return len(self.dialled)


@pytest.fixture
def waiting(windows: Windows, product: Product) -> Waiting:
    return Waiting(windows.new().page, f"{product.url}/demo/")


@pytest.mark.parametrize(
    "event",
    [
        "window.dispatchEvent(new Event('online'))",
        "window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
        SHOWN,
    ],
    ids=["online", "pageshow", "visibilitychange"],
)
def test_a_widget_that_waits_dials_at_once(waiting: Waiting, event: str) -> None:
    assert waiting.dials() == 1
    waiting.page.evaluate(event)

    until(lambda: waiting.dials() == 2, 10)


def test_a_page_that_is_hidden_goes_on_waiting(waiting: Waiting) -> None:
    waiting.page.evaluate(f"{HIDDEN}; {SHOWN}")
    assert waiting.dials() == 1

    waiting.page.clock.run_for(2_000)
    until(lambda: waiting.dials() == 2, 10)
