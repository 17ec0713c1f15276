"""A real browser, and the real product that it visits."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.windows import Window, Windows, silent
from tests.product import Product, running

PASSWORD = "a password for tests only"
MISSING = (
    "!!! NO BROWSER: CHROMIUM IS NOT INSTALLED, SO WHAT PEOPLE SEE IS NOT TESTED. "
    "INSTALL IT, FOR EXAMPLE WITH: apt-get install chromium !!!"
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STATIC = Path(__file__).resolve().parents[2] / "streams" / "static" / "streams"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Ended with each module: while it runs, so does an event loop, in which Django refuses to work.
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """`manage.py up` with a data folder of its own."""
    folder = tmp_path_factory.mktemp("browser") / "var"
    with running(folder, RTAI_DEMO="1", RTAI_ADMIN_PASSWORD=PASSWORD) as product:
        yield product


@pytest.fixture
def windows(chromium: Browser) -> Iterator[Windows]:
    """Opens windows; fails the test if one complained."""
    with silent(chromium) as windows:
        yield windows


@pytest.fixture
def ann(windows: Windows, product: Product) -> Window:
    """Ann's window on the demo page."""
    return windows.new().open_chat(f"{product.url}/demo/")


@pytest.fixture
def bob(windows: Windows, product: Product) -> Window:
    """Bob's window on the demo page."""
    return windows.new().open_chat(f"{product.url}/demo/")


@pytest.fixture
def operator(windows: Windows, product: Product) -> Window:
    """The operator's window, signed in."""
    return windows.new().sign_in(product.url, PASSWORD)


@pytest.fixture
def lab(windows: Windows) -> Page:
    """A blank page that can import the widget's modules, with time in the test's hands."""
    page = windows.new().page
    page.route("http://lab.test/**", _serve_module)
    page.goto("http://lab.test/")
    page.clock.install(time=1_700_000_000)
    page.clock.pause_at(1_700_000_001)
    return page


def _serve_module(route: object) -> None:
    name = route.request.url.rsplit("/", 1)[-1]  # type: ignore[attr-defined]
    if name.endswith(".js"):
        route.fulfill(path=STATIC / name, content_type="text/javascript")  # type: ignore[attr-defined]
    else:
        route.fulfill(body="<!doctype html><title>lab</title>", content_type="text/html")  # type: ignore[attr-defined]
