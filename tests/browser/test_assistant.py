"""People ask the assistant on the demo page of the real product; a server of models answers."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from rtai_project import keyring
from streams import tokens_jwt
from streams.tokens import Claims
from tests.browser.conftest import PASSWORD
from tests.browser.storyteller import Storyteller, telling
from tests.browser.windows import Window, Windows
from tests.product import ROOT, Product, running, until

pytestmark = pytest.mark.timeout(240)  # The first of them waits for the product.

STORY = (
    "Of course. A small garden likes the morning sun, a little water every other day, and "
    "somebody who looks at it with patience. Tomatoes grow well beside basil."
)
VILE = "Sure. I will kill you, you worthless idiot. I know where you live and I will shoot you."
PATIENCE_MS = 20_000
ADDRESS = """
const tag = () => document.querySelector("script[data-site]");
const give = () => tag()?.setAttribute("data-token-url", "/who");
new MutationObserver(give).observe(document, { childList: true, subtree: true });
"""
SETTINGS = """
from generation.models import AssistantModelRecord
model = AssistantModelRecord.objects.get()
model.backend, model.base_url, model.context_tokens = "openai", {url!r}, 4096
model.save()
"""


@pytest.fixture(scope="module")
def teller() -> Iterator[Storyteller]:
    with telling() as made:
        yield made


@pytest.fixture(scope="module")
def product(teller: Storyteller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product with a worker that writes answers, and with our own server of models."""
    folder = tmp_path_factory.mktemp("assistant") / "var"
    environ = {"RTAI_DEMO": "1", "RTAI_ADMIN_PASSWORD": PASSWORD, "RTAI_GENERATION_WORKERS": "1"}
    with running(folder, **environ) as product:
        manage(product, "shell", "-c", SETTINGS.format(url=teller.url))
        manage(product, "limits", "off", "--all")
        yield product


def manage(product: Product, *command: str) -> None:
    """Runs a management command beside the product."""
    found = [sys.executable, "manage.py", *command]
    subprocess.run(found, cwd=ROOT, env=product.environ, check=True)


def ask(window: Window, question: str) -> None:
    """Writes a question and presses Ask."""
    window.box.fill(question)
    window.page.get_by_role("button", name="Ask Assistant").click()


def answer(window: Window) -> Locator:
    """The last answer."""
    return window.log.locator(".item.answer").last


def sees(window: Window, text: str) -> None:
    """Waits until the last answer says exactly this."""
    expect(answer(window).locator(".text")).to_have_text(text, timeout=PATIENCE_MS)


def stop(window: Window) -> Locator:
    return window.page.get_by_role("button", name="Stop", exact=True)


def known_as(window: Window, product: Product, role: str) -> Window:
    """The demo page as of a site whose own server knows who has this window open."""
    secret = keyring.load(product.data_dir)["tokens"]
    claims = Claims("demo", f"staff-{role}", "Mo", ("*",), role, int(time.time()) + 500)
    answer = {"token": tokens_jwt.mint(secret, claims), "expires_at": "2099-01-01T00:00:00.000Z"}
    window.page.add_init_script(ADDRESS)
    window.page.route("**/who", lambda route: route.fulfill(json=answer))
    return window.open_chat(f"{product.url}/demo/")


def words(count: int) -> str:
    return " ".join(STORY.split(" ")[:count])


def test_an_answer_grows_before_everybody_s_eyes(
    teller: Storyteller, ann: Window, bob: Window
) -> None:
    teller.begin(STORY, 3)
    ask(ann, "How do I start a small garden, Bob?")

    bob.sees("How do I start a small garden, Bob?")
    for count in (3, 6, 11):
        sees(ann, words(count))
        sees(bob, words(count))
        teller.tell(3 if count == 3 else 5)
    expect(stop(ann)).to_have_count(1)
    expect(stop(bob)).to_have_count(0)
    expect(answer(bob)).to_have_attribute("aria-busy", "true")
    teller.tell()

    for window in (ann, bob):
        sees(window, STORY)
        expect(answer(window)).to_have_attribute("data-status", "sent", timeout=PATIENCE_MS)
        expect(window.page.locator("[role=status]")).to_have_text(f"Assistant: {STORY}")
        expect(stop(window)).to_have_count(0)


def test_a_reload_in_mid_answer_shows_it_whole_and_going_on(
    teller: Storyteller, windows: Windows, ann: Window, product: Product
) -> None:
    teller.begin(STORY, 7)
    ask(ann, "How do I start a small garden after a reload?")
    sees(ann, words(7))

    ann.page.reload()
    ann.wait_live()
    sees(ann, words(7))
    late = windows.new().open_chat(f"{product.url}/demo/")
    sees(late, words(7))
    teller.tell(4)

    for window in (ann, late):
        sees(window, words(11))
    expect(stop(ann)).to_have_count(1)
    expect(stop(late)).to_have_count(0)
    teller.tell()
    for window in (ann, late):
        sees(window, STORY)
        expect(answer(window)).to_have_attribute("data-status", "sent", timeout=PATIENCE_MS)


def test_the_stop_button_stops_the_model_and_keeps_what_was_said(
    teller: Storyteller, ann: Window, bob: Window
) -> None:
    before = teller.hung_up
    teller.begin(STORY, 5)
    ask(ann, "How do I start a garden that I stop?")
    sees(bob, words(5))

    stop(ann).press("Enter")

    expect(ann.log).to_be_focused()
    until(lambda: teller.hung_up == before + 1, what="the model server's client is gone")
    for window in (ann, bob):
        expect(answer(window).locator(".note")).to_have_text("Stopped", timeout=PATIENCE_MS)
        sees(window, words(5))
    bob.page.reload()
    bob.wait_live()
    sees(bob, words(5))


def test_a_moderator_may_stop_an_answer_that_somebody_else_asked_for(
    teller: Storyteller, windows: Windows, ann: Window, product: Product
) -> None:
    moderator = known_as(windows.new(), product, "moderator")
    member = known_as(windows.new(), product, "member")
    before = teller.hung_up
    teller.begin(STORY, 6)
    ask(ann, "How do I start a garden under supervision?")
    for window in (moderator, member):
        sees(window, words(6))
    expect(stop(member)).to_have_count(0)
    moderator.page.reload()
    moderator.wait_live()
    sees(moderator, words(6))

    stop(moderator).press("Enter")

    expect(moderator.log).to_be_focused()
    until(lambda: teller.hung_up == before + 1, what="the model server's client is gone")
    for window in (ann, moderator, member):
        expect(answer(window).locator(".note")).to_have_text("Stopped", timeout=PATIENCE_MS)
        expect(stop(window)).to_have_count(0)


def test_whom_the_page_s_server_knows_has_its_name_and_no_token_is_kept(
    windows: Windows, ann: Window, product: Product
) -> None:
    known = known_as(windows.new(), product, "member")
    known.say("Good morning from somebody known.")

    ann.sees("Good morning from somebody known.")
    assert ann.item("Good morning from somebody known.").locator("b").inner_text() == "Mo"
    expect(known.page.locator(".who")).to_be_hidden()
    assert "eyJ" not in str(known.page.evaluate("Object.values(sessionStorage).join()"))


def test_a_vile_answer_is_taken_back_from_everybody(
    teller: Storyteller, ann: Window, bob: Window
) -> None:
    teller.begin(VILE, 1)
    ask(ann, "What do I do when it rains on my garden?")
    sees(bob, "Sure.")
    teller.tell()

    for window in (ann, bob):
        note = answer(window).locator(".note")
        expect(note).to_have_text("Taken back: breaks the rules", timeout=PATIENCE_MS)
        assert "Sure." not in "".join(window.texts())
    bob.page.reload()
    bob.wait_live()
    assert "Sure." not in "".join(bob.texts())


def test_a_threatening_question_is_not_asked(teller: Storyteller, ann: Window) -> None:
    threat = "I will kill you, you worthless idiot. I know where you live and I will shoot you."
    asked = len(teller.asked)
    ask(ann, threat)

    ann.is_told(threat, "Not sent")
    assert len(teller.asked) == asked


def test_whoever_names_the_assistant_is_answered_once(teller: Storyteller, ann: Window) -> None:
    asked = len(teller.asked)
    teller.begin(f"{STORY} Goodbye.", 1_000)
    ann.say("@Assistant how do I start a small garden by name?")
    sees(ann, f"{STORY} Goodbye.")
    teller.begin(f"{STORY} Good night.", 1_000)
    ask(ann, "@assistant and how do I end it?")
    sees(ann, f"{STORY} Good night.")
    expect(answer(ann)).to_have_attribute("data-status", "sent", timeout=PATIENCE_MS)

    assert len(teller.asked) == asked + 2


def test_an_answer_that_breaks_off_may_be_asked_for_again(
    teller: Storyteller, ann: Window, product: Product
) -> None:
    teller.begin(STORY, 4)
    ask(ann, "How do I start a garden twice?")
    sees(ann, words(4))
    for worker in product.children("generation-1"):
        worker.kill()

    note = answer(ann).locator(".note")
    expect(note).to_contain_text("The answer broke off", timeout=PATIENCE_MS)
    teller.begin(STORY, 1_000)
    note.get_by_role("button", name="Try again").click()
    expect(answer(ann)).to_have_attribute("data-status", "sent", timeout=2 * PATIENCE_MS)
    sees(ann, STORY)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_asking_works_by_keyboard_and_fits_the_window(
    teller: Storyteller, windows: Windows, product: Product, width: int, height: int
) -> None:
    window = windows.new(width, height).open_chat(f"{product.url}/demo/")
    teller.begin(STORY, 5)
    window.box.fill(f"How do I start a garden of {width} feet?")
    window.box.press("Tab")
    window.page.keyboard.press("Enter")
    sees(window, words(5))

    assert window.page.evaluate(
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    )
    teller.tell()
    expect(answer(window)).to_have_attribute("data-status", "sent", timeout=PATIENCE_MS)
