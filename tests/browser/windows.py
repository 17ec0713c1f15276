"""Windows of a real browser, as a visitor or an operator uses them."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    ViewportSize,
    expect,
)

WATCH = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Window:
    """One visitor's window; `complaints` are console errors, page errors and CSP violations."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.add_init_script(WATCH)

    def _heard(self, message: Any) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def forgive(self, pattern: str) -> None:
        """Drops complaints that the test itself provoked."""
        self.complaints = [each for each in self.complaints if not re.search(pattern, each)]

    @property
    def context(self) -> BrowserContext:
        """The browser's storage behind this window."""
        return self.page.context

    @property
    def box(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_role("textbox", name="Message")

    @property
    def log(self) -> Locator:
        """The list of messages."""
        return self.page.get_by_role("log", name="Messages")

    def visitor(self) -> str:
        """The visitor's id, from the token that the widget keeps."""
        kept = str(self.page.evaluate("Object.values(sessionStorage).join()"))
        found = re.search(r"eyJ[\w-]+\.([\w-]+)\.", kept)
        assert found is not None
        claims = json.loads(urlsafe_b64decode(found[1] + "=="))
        return str(claims["sub"])

    def texts(self) -> list[str]:
        """The texts in the list, in their order."""
        return self.log.locator(".text").all_inner_texts()

    def item(self, text: str) -> Locator:
        """The item of the message with this text."""
        exactly = re.compile(f"^{re.escape(text)}$")
        return self.log.locator(".item", has=self.page.get_by_text(exactly))

    def open_chat(self, url: str) -> "Window":
        """Goes to a page with the widget and waits until it is connected."""
        self.page.goto(url)
        self.wait_live()
        return self

    def wait_live(self, within_s: float = 30) -> None:
        """Waits until the widget says that it is connected."""
        expect(self.page.locator(".live")).to_have_text("Live", timeout=within_s * 1000)

    def say(self, text: str) -> None:
        """Writes a message and sends it with Enter."""
        self.box.fill(text)
        self.box.press("Enter")

    def sees(self, text: str, times: int = 1, within_s: float = 15) -> None:
        """Waits until the message is in the list, so many times."""
        expect(self.item(text)).to_have_count(times, timeout=within_s * 1000)

    def is_told(self, text: str, note: str | re.Pattern[str], within_s: float = 15) -> None:
        """Waits until the note beside one's own message says so."""
        expect(self.item(text).locator(".note")).to_contain_text(note, timeout=within_s * 1000)

    def sign_in(self, url: str, password: str) -> "Window":
        """Signs in to the admin as its first administrator."""
        self.page.goto(f"{url}/admin/login/?next=/console/")
        self.page.get_by_label("Username").fill("admin")
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url("**/console/")
        return self


class Windows:
    """Opens windows and closes them; none of them may have complained."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open: list[Window] = []

    def new(self, width: int = 1280, height: int = 900, **options: Any) -> Window:
        """A window of a browser that knows nothing yet."""
        size = ViewportSize(width=width, height=height)
        window = Window(self._browser.new_context(viewport=size, **options).new_page())
        self._open.append(window)
        return window

    def beside(self, other: Window) -> Window:
        """Another window of the same browser."""
        window = Window(other.context.new_page())
        self._open.append(window)
        return window

    def close(self) -> None:
        """Closes all windows."""
        for window in self._open:
            window.context.close()

    def complaints(self) -> list[str]:
        """What all windows complained of."""
        return [complaint for window in self._open for complaint in window.complaints]


@contextmanager
def silent(browser: Browser) -> Iterator[Windows]:
    """Windows that must not have complained at the end."""
    windows = Windows(browser)
    try:
        yield windows
        assert windows.complaints() == []
    finally:
        windows.close()
