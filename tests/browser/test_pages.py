"""Every page: no complaints, no sideways scrolling, and what a signed-out visitor may see."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import PASSWORD
from tests.browser.windows import Windows
from tests.product import Product

OPEN = ["/demo/", "/admin/login/", "/api/v1/docs"]
SIGNED_IN = [
    "/",
    "/console/",
    "/admin/",
    "/admin/streams/sessionview/",
    "/admin/streams/ratelimit/",
    "/admin/streams/site/",
    "/admin/streams/site/demo/change/",
    "/admin/policy/policyrecord/",
    "/admin/policy/verdictrecord/",
    "/admin/inference/modelversionrecord/",
]
SHAPES = [pytest.param(1280, id="wide"), pytest.param(390, id="phone")]


@pytest.mark.parametrize("width", SHAPES)
def test_pages_for_everybody_are_sound(windows: Windows, product: Product, width: int) -> None:
    page = windows.new(width, 844).page
    for path in OPEN:
        response = page.goto(product.url + path, wait_until="networkidle")

        assert response is not None
        assert response.status == 200
        assert "script-src" in response.headers["content-security-policy"] or (
            "default-src 'self'" in response.headers["content-security-policy"]
        )
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("width", SHAPES)
def test_pages_for_operators_are_sound(windows: Windows, product: Product, width: int) -> None:
    page = windows.new(width, 844).sign_in(product.url, PASSWORD).page
    for path in SIGNED_IN:
        response = page.goto(product.url + path)
        page.wait_for_load_state("load")

        assert response is not None
        assert response.status == 200, path
    for path in ("/", "/console/"):
        page.goto(product.url + path)
        expect(page.locator("#connected")).not_to_have_text("–")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_first_page_leads_to_the_demo_or_to_the_dashboard(
    windows: Windows, product: Product
) -> None:
    page = windows.new().page
    page.goto(f"{product.url}/")
    expect(page).to_have_url(f"{product.url}/demo/")

    page.goto(f"{product.url}/console/")
    expect(page).to_have_url(f"{product.url}/admin/login/?next=/console/")


def test_every_link_of_the_dashboard_leads_somewhere(windows: Windows, product: Product) -> None:
    page = windows.new().sign_in(product.url, PASSWORD).page
    links = {link.get_attribute("href") for link in page.locator("main a, header a").all()}

    assert len(links) > 8
    for link in links:
        assert page.request.get(f"{product.url}{link}").status == 200, link


def test_the_demo_is_worked_by_keyboard_alone(windows: Windows, product: Product) -> None:
    window = windows.new()
    page = window.open_chat(f"{product.url}/demo/").page
    page.locator("body").press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()

    page.get_by_role("button", name="Friendly").press("Enter")

    expect(window.box).to_be_focused()
