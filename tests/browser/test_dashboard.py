"""The dashboard while something that it asks is away."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import PASSWORD
from tests.browser.windows import Window, Windows
from tests.product import Product, until

LONG = "no_such_file_" * 20
WORKER = {
    "id": "worker-1",
    "host": "host",
    "pid": 42,
    "busy_ms": 0,
    "seen_ms_ago": 0,
    "models": [{"plugin": "moderation", "version": "guard@1", "provider": "CPU"}],
    "errors": {"llm": LONG},
}
LIVE: dict[str, Any] = {
    "sessions": {"demo": 3, "blog": 4},
    "pending": 2,
    "oldest_pending_ms": 1_000,
    "workers": [WORKER],
}
STATUS: dict[str, Any] = {
    "now_ms": 1_800_000_000_000,
    "live": LIVE,
    "connected": 7,
    "recent": None,
    "active": [],
    "ready": {"ok": True, "detail": ""},
    "failures": [],
}
SHORT = """
window.limits = [];
const timeout = AbortSignal.timeout.bind(AbortSignal);
AbortSignal.timeout = (ms) => { limits.push(ms); return timeout(50); };
"""


class Told:
    """A dashboard whose server says what the test wants."""

    def __init__(self, window: Window, url: str) -> None:
        self.page: Page = window.page
        self.says = STATUS
        self.page.route("**/console/status.json", self._answer)
        self.page.goto(f"{url}/console/")
        expect(self.page.locator("#connected")).to_have_text("7")

    def _answer(self, route: Route) -> None:
        route.fulfill(body=json.dumps(self.says), content_type="application/json")

    def tell(self, **changes: Any) -> None:
        """From now on the server says this."""
        self.says = STATUS | changes

    def shows(self, **texts: str) -> None:
        """Waits until the elements have these texts."""
        for name, text in texts.items():
            expect(self.page.locator(f"#{name.replace('_', '-')}")).to_have_text(text)

    def points(self, name: str) -> int:
        """How many values a tile's line has."""
        line = self.page.locator(f"#{name}-spark polyline")
        return len((line.get_attribute("points") or "").split()) if line.count() else 0


@pytest.fixture
def told(operator: Window, product: Product) -> Told:
    return Told(operator, product.url)


def test_without_the_database_connected_is_not_known(told: Told) -> None:
    told.shows(connected="7", connected_under="demo 3 · blog 4")

    told.tell(live=LIVE | {"sessions": None, "pending": 5}, connected=None)

    told.shows(connected="–", connected_under="", pending="5", pending_under="oldest 1.0 s")
    until(lambda: told.points("pending") >= 3)
    assert told.points("connected") == 0


def test_without_redis_nothing_is_said_of_workers(told: Told) -> None:
    told.shows(pending_under="oldest 1.0 s")

    told.tell(live=None, connected=None)

    told.shows(worker_rows="Workers are not known: Redis does not answer.")
    told.shows(connected="–", connected_under="", pending="–", pending_under="")
    told.tell(live=LIVE | {"workers": []})
    told.shows(worker_rows="No worker is alive.", connected="7")


def test_a_server_that_is_silent_is_asked_again(operator: Window, product: Product) -> None:
    page = operator.page
    page.add_init_script(SHORT)
    page.route("**/console/status.json", lambda route: None)
    page.goto(f"{product.url}/console/")

    expect(page.locator("#ready")).to_contain_text("the server does not answer")
    until(lambda: page.evaluate("limits.length") >= 2)
    assert set(page.evaluate("limits")) == {10_000}


def test_a_workers_error_has_the_width_of_a_phone(windows: Windows, product: Product) -> None:
    told = Told(windows.new(390, 844).sign_in(product.url, PASSWORD), product.url)
    row = told.page.locator("#worker-rows .wrong").bounding_box()
    text = told.page.locator("#worker-rows .wrong td").bounding_box()

    assert row is not None
    assert text is not None
    assert text["width"] == pytest.approx(row["width"], abs=1)
    assert told.page.evaluate("document.documentElement.scrollWidth") <= 390
