"""What somebody sees who opens the demo page of a fresh installation: the model that ships answers,
on the way that every answer takes, with nothing configured."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.windows import Window, Windows
from tests.product import Product, running

pytestmark = pytest.mark.timeout(240)  # It waits for the product, and for the model to load.

PATIENCE_MS = 60_000
WATCH = """(part, stopped) => {
  const list = part.getRootNode();
  const answers = () => [...list.querySelectorAll(".item.answer")];
  const before = answers().length;
  window.grown = [];
  const look = () => {
    const answer = answers()[before];
    const text = answer?.querySelector(".text").textContent;
    if (!text || text === window.grown.at(-1)) return;
    window.grown.push(text);
    if (stopped) answer.querySelector("button.stop")?.click();
  };
  window.watching?.disconnect();
  window.watching = new MutationObserver(look);
  window.watching.observe(list, { childList: true, subtree: true, characterData: true });
}"""
"""Remembers how the next answer grows, and presses Stop at its first words where it shall."""


@pytest.fixture(scope="module")
def product(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that nobody has touched; the browser is there when it says that it is ready."""
    folder = tmp_path_factory.mktemp("fresh") / "var"
    with running(folder, RTAI_DEMO="1", RTAI_GENERATION_WORKERS="1") as product:
        yield product


def ask(window: Window, question: str, *, stopped: bool = False) -> list[str]:
    """How the answer to this question grows, until it ends."""
    window.page.locator(".live").evaluate(WATCH, stopped)
    count = answers(window).count()
    window.box.fill(question)
    window.page.get_by_role("button", name="Ask Assistant").click()
    end = "stopped" if stopped else "sent"
    expect(answers(window)).to_have_count(count + 1, timeout=PATIENCE_MS)
    expect(answers(window).last).to_have_attribute("data-status", end, timeout=PATIENCE_MS)
    return list(window.page.evaluate("window.grown"))


def answers(window: Window) -> Locator:
    return window.log.locator(".item.answer")


def texts(window: Window) -> list[str]:
    """What the answers say."""
    return answers(window).locator(".text").all_text_contents()


def test_the_shipped_model_answers_on_a_fresh_machine_is_stopped_and_stays_as_it_was(
    windows: Windows, product: Product
) -> None:
    ann = windows.new().open_chat(f"{product.url}/demo/")

    grown = ask(ann, "Hello! How are you today?")

    assert len(grown) > 1
    assert all(later.startswith(text) for text, later in pairwise(grown))
    assert texts(ann) == grown[-1:]

    partial = ask(ann, "how can i cancel my monthly plan", stopped=True)

    expect(answers(ann).last.locator(".note")).to_have_text("Stopped")
    told = texts(ann)
    assert told == [grown[-1], partial[-1]]
    assert told[1].startswith(partial[0])
    ann.page.reload()
    for window in (ann, windows.new().open_chat(f"{product.url}/demo/")):
        window.wait_live()
        expect(answers(window).locator(".text")).to_have_text(told, timeout=PATIENCE_MS)
