"""Two visitors chat on the demo page of the real product."""

import itertools
import re

import pytest
from playwright.sync_api import expect

from tests.browser.windows import Window, Windows
from tests.product import Product

THREAT = "I will kill you, you worthless idiot. I know where you live and I will shoot you."
REFUSED = re.compile(r"Not sent: breaks the rules \(.*threats.*\)")


NAMES = ("Maria", "Tom", "Aisha", "Pedro", "Yuki", "Lena", "Omar", "Grace", "Ivan", "Chloe")
_pairs = itertools.permutations(NAMES, 2)


def fresh(text: str) -> str:
    """A text that no other test wrote, and that no model takes for spam."""
    first, second = next(_pairs)
    return f"{text} Hello to {first} and {second}!"


def test_a_friendly_message_arrives_in_the_other_window(ann: Window, bob: Window) -> None:
    text = fresh("Good morning, lovely to see you here!")

    ann.say(text)

    ann.sees(text)
    ann.is_told(text, "Sent")
    bob.sees(text)
    assert bob.item(text).locator("b").inner_text() != "You"


def test_a_threatening_message_reaches_nobody_and_its_author_sees_why(
    ann: Window, bob: Window
) -> None:
    after = fresh("Have a lovely evening.")

    ann.say(THREAT)
    ann.is_told(THREAT, REFUSED)
    ann.say(after)

    bob.sees(after)
    assert THREAT not in bob.texts()


def test_what_others_write_is_announced_and_history_is_not(ann: Window, bob: Window) -> None:
    text = fresh("I have good news.")
    expect(bob.log).to_have_attribute("aria-live", "polite")
    expect(bob.log).to_have_attribute("aria-relevant", "additions")

    ann.say(text)

    bob.sees(text)
    assert bob.page.locator("[role=status]").last.inner_text() == ""


def test_a_reload_keeps_the_visitor_the_draft_and_what_was_said(ann: Window) -> None:
    text = fresh("What a nice day.")
    ann.say(text)
    ann.is_told(text, "Sent")
    name = ann.page.locator(".who span").inner_text()
    ann.box.fill("half a thou")

    ann.page.reload()
    ann.wait_live()

    ann.sees(text)
    assert ann.page.locator(".who span").inner_text() == name
    expect(ann.item(text)).to_contain_class("mine")
    expect(ann.box).to_have_value("half a thou")


def test_two_windows_of_one_browser_are_two_visitors(
    windows: Windows, ann: Window, product: Product
) -> None:
    other = windows.beside(ann).open_chat(f"{product.url}/demo/")
    text = fresh("Welcome, everybody.")

    ann.say(text)

    other.sees(text)
    expect(other.item(text)).not_to_contain_class("mine")
    assert ann.context.cookies() == []


def test_someone_who_types_is_mentioned(ann: Window, bob: Window) -> None:
    text = fresh("I am glad to be here.")
    ann.say(text)
    bob.sees(text)

    ann.box.press_sequentially("I am typing", delay=150)

    name = ann.page.locator(".who span").inner_text()
    expect(bob.page.locator(".typing")).to_have_text(f"{name} is typing…")


def test_a_new_name_is_shown_with_the_next_message(ann: Window, bob: Window) -> None:
    text = fresh("I have a new name.")
    ann.page.get_by_role("button", name="Your name").click()
    ann.page.get_by_role("textbox", name="Your name").fill("Ann Other")
    with ann.page.expect_response("**/widget/v1/token"):
        ann.page.get_by_role("button", name="Save").click()
    expect(ann.page.locator(".who")).to_be_focused()

    ann.say(text)

    bob.sees(text)
    assert bob.item(text).locator("b").inner_text() == "Ann Other"


def test_the_whole_chat_works_by_keyboard(ann: Window, bob: Window) -> None:
    text = fresh("I wrote this by hand.")
    keyboard = ann.page.keyboard
    ann.page.locator("body").press("Tab")
    for _ in range(20):
        if ann.box.evaluate("box => box.getRootNode().activeElement === box"):
            break
        keyboard.press("Tab")

    keyboard.type(text)
    keyboard.press("Shift+Enter")
    keyboard.type("and so is that")
    keyboard.press("Enter")

    expect(bob.log.locator(".text").last).to_have_text(
        f"{text}\nand so is that", use_inner_text=True
    )
    keyboard.press("Shift+Tab")
    assert ann.log.evaluate("log => log.getRootNode().activeElement === log")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<img src=x onerror=alert(1)> is text", id="markup"),
        pytest.param("مرحبا بكم في هذا المكان الجميل", id="right to left"),
        pytest.param("👋🏽🎉", id="emoji only"),
        pytest.param("w" * 300, id="one long word"),
    ],
)
def test_unusual_texts_are_shown_as_they_were_written(ann: Window, text: str) -> None:
    ann.say(text)

    ann.sees(text)
    assert ann.log.evaluate("log => log.scrollWidth <= log.clientWidth")


def test_a_text_that_is_too_long_is_not_sent(ann: Window) -> None:
    ann.box.fill("x" * 10_001)

    ann.box.press("Enter")

    expect(ann.page.get_by_text("1 characters too many")).to_be_visible()
    assert len(ann.box.input_value()) == 10_001


def test_examples_fill_the_box_and_are_not_sent(ann: Window) -> None:
    ann.page.get_by_role("button", name="Friendly").click()

    expect(ann.box).to_have_value(re.compile("Good morning"))
    expect(ann.box).to_be_focused()
    assert ann.log.locator(".mine").count() == 0


def test_new_messages_do_not_move_a_reader_who_scrolled_up(ann: Window, bob: Window) -> None:
    for _ in range(6):
        ann.say(fresh("Roses are red,\nviolets are blue,\nthe sea is wide\nand so are you.\n"))
    last = fresh("That was my poem.")
    ann.say(last)
    bob.sees(last)
    bob.log.evaluate("log => { log.scrollTop = 0 }")
    text = fresh("One more thing: thank you.")

    ann.say(text)

    button = bob.page.get_by_role("button", name="1 new message")
    expect(button).to_be_visible()
    assert bob.log.evaluate("log => log.scrollTop") == 0
    button.click()
    expect(bob.item(text)).to_be_in_viewport()
    expect(button).to_be_hidden()
