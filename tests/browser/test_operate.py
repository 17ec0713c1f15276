"""Operators change things while visitors chat."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_chat import fresh
from tests.browser.windows import Window
from tests.product import ROOT, Product, until

GONE = "WebSocket connection|ERR_CONNECTION|ERR_INTERNET_DISCONNECTED|Failed to load resource"


def manage(product: Product, *arguments: str) -> str:
    """Runs a command of `manage.py` beside the product."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=product.environ, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def next_version(product: Product, tmp_path: Path) -> str:
    """The active moderation model again, under another version."""
    manifests = (ROOT / "plugins" / "models").glob("*/manifest.json")
    found = {json.loads(path.read_text())["plugin"]: path for path in manifests}["moderation"]
    folder = tmp_path / "next"
    shutil.copytree(found.parent, folder)
    manifest = json.loads(found.read_text()) | {"version": "99.0.0"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    manage(product, "models", "add", str(folder))
    return f"{manifest['name']}@99.0.0"


def test_a_model_version_is_switched_in_the_middle_of_a_conversation(
    ann: Window, bob: Window, operator: Window, product: Product, next_version: str
) -> None:
    manage(product, "limits", "off", "user.messages")
    before = re.search(r"\S+@\S+", operator.page.locator("#active").inner_text())
    texts = [fresh("Once upon a time we were all good friends.") for _ in range(12)]

    for number, text in enumerate(texts):
        ann.say(text)
        if number == 4:
            manage(product, "models", "activate", next_version)
    for text in texts:
        bob.sees(text)

    assert before is not None
    assert [text for text in bob.texts() if text in texts] == texts
    expect(operator.page.locator("#worker-rows")).to_contain_text("@99.0.0", timeout=30_000)
    last = fresh("And they lived happily ever after.")
    ann.say(last)
    bob.sees(last)


def test_a_rate_limit_lowered_in_the_admin_bites_at_once(
    ann: Window, operator: Window, product: Product
) -> None:
    page = operator.page
    first, second, third = map(fresh, ("Good morning.", "How are you?", "I am fine."))
    page.goto(f"{product.url}/admin/streams/ratelimit/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="user.messages"))
    row.get_by_role("textbox").fill("1/1m")
    row.get_by_role("checkbox").last.check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".messagelist")).to_be_visible()

    ann.say(first)
    ann.is_told(first, "Sent")
    ann.say(second)

    ann.is_told(second, re.compile(r"too many messages\. Try again in \d+ s\."))
    ann.item(second).get_by_role("button", name="Edit").click()
    expect(ann.box).to_have_value(second)
    manage(product, "limits", "off", "user.messages")
    ann.say(third)
    ann.is_told(third, "Sent")


def set_spam_rule(operator: Window, product: Product, threshold: str, action: str) -> None:
    """Changes the default policy's rule `spam` on the admin's page."""
    page = operator.page
    page.goto(f"{product.url}/admin/policy/policyrecord/")
    page.get_by_role("link", name="default", exact=True).click()
    expect(page.locator("input[name='rules-0-name']")).to_be_visible()
    names = page.locator("input[name$='-name']")
    at = [names.nth(n).input_value() for n in range(names.count())].index("spam")
    page.locator(f"input[name='rules-{at}-threshold']").fill(threshold)
    page.locator(f"select[name='rules-{at}-action']").select_option(action)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")


def says_until(window: Window, told: str) -> str:
    """Says friendly things until one is answered like that; the text of the one that was."""
    said: list[str] = []

    def answered() -> bool:
        said.append(fresh("What a wonderful evening."))
        window.say(said[-1])
        window.is_told(said[-1], re.compile("Sent|Not sent|Waiting"))
        return told in window.item(said[-1]).locator(".note").inner_text()

    until(answered, 20, told)
    return said[-1]


def test_a_rule_changed_in_the_admin_applies_and_the_author_may_send_again(
    ann: Window, bob: Window, operator: Window, product: Product
) -> None:
    set_spam_rule(operator, product, "0", "block")
    refused = says_until(ann, "Not sent: breaks the rules (spam)")
    set_spam_rule(operator, product, "0.95", "hold")
    sent = says_until(ann, "Sent")

    ann.item(refused).get_by_role("button", name="Send again").click()

    ann.is_told(refused, "Sent")
    bob.sees(refused)
    assert [text for text in bob.texts() if text in (sent, refused)] == [sent, refused]


def test_a_restart_of_the_server_loses_nothing(ann: Window, bob: Window, product: Product) -> None:
    before, during, after = map(fresh, ("See you soon.", "I am here.", "Welcome back."))
    ann.say(before)
    bob.sees(before)

    bob.context.set_offline(True)
    for server in product.children("server_"):
        server.kill()
    expect(ann.page.locator(".live")).to_have_text("Connecting", timeout=10_000)
    ann.say(during)
    ann.is_told(during, "Sending")
    ann.wait_live()
    ann.is_told(during, "Sent")
    ann.say(after)
    ann.is_told(after, "Sent")
    assert during not in bob.texts()
    bob.context.set_offline(False)
    bob.wait_live()

    bob.sees(after)
    assert [t for t in bob.texts() if t in (before, during, after)] == [before, during, after]
    for window in (ann, bob):
        window.forgive(GONE)


def switch(operator: Window, product: Product, stream: str) -> None:
    """Switches a stream on or off on the admin's page."""
    page = operator.page
    page.goto(f"{product.url}/admin/streams/stream/?q={stream}")
    page.get_by_role("link", name=stream, exact=True).click()
    page.get_by_label("Active").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")


def test_a_stream_that_is_switched_off_and_on_again_keeps_its_windows(
    ann: Window, bob: Window, operator: Window, product: Product
) -> None:
    text = fresh("We are all back again.")
    switch(operator, product, "lobby")
    expect(ann.page.locator(".banner")).to_contain_text("This chat does not exist.")
    expect(ann.box).to_be_disabled()

    switch(operator, product, "lobby")
    expect(ann.box).to_be_enabled(timeout=20_000)
    expect(bob.box).to_be_enabled(timeout=20_000)
    ann.say(text)

    ann.is_told(text, "Sent")
    bob.sees(text)


def test_a_session_ended_by_the_operator_comes_to_an_end(
    ann: Window, operator: Window, product: Product
) -> None:
    text = fresh("I enjoy this chat.")
    ann.say(text)
    ann.is_told(text, "Sent")
    page = operator.page
    # By id, for two made-up names may be the same.
    page.goto(f"{product.url}/admin/streams/sessionview/?user={ann.visitor()}")
    row = page.locator("#result_list tbody tr")
    expect(row).to_have_count(1)
    row.get_by_role("checkbox").check()
    page.get_by_label("With the chosen").select_option(value="disconnect")
    page.get_by_role("button", name="Apply").click()

    expect(ann.page.locator(".banner")).to_have_text("You can no longer take part in this chat.")
    expect(ann.box).to_be_disabled()


def test_the_dashboard_shows_what_happens_now(
    ann: Window, operator: Window, product: Product
) -> None:
    page = operator.page
    text = fresh("What a beautiful song.")

    ann.say(text)
    ann.is_told(text, "Sent")

    expect(page.locator("#ready")).to_have_text("Ready to judge", timeout=15_000)
    expect(page.locator("#connected")).not_to_have_text(re.compile("[–0]"), timeout=15_000)
    expect(page.locator("#judged")).not_to_have_text(re.compile("^[–0]$"), timeout=15_000)
    expect(page.locator("#worker-rows")).to_contain_text("sentiment-mini@")
    expect(page.locator("#worker-rows")).to_contain_text("CPU")
