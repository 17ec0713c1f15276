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
    found = next(path for path in manifests if json.loads(path.read_text())["plugin"] == "moderation")
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
    texts = [fresh(f"Sentence {number} of a friendly story.") for number in range(12)]

    for number, text in enumerate(texts):
        ann.say(text)
        if number == 4:
            manage(product, "models", "activate", next_version)
    for text in texts:
        ann.is_told(text, "Sent") if text == texts[-1] else bob.sees(text)

    assert before is not None
    assert [text for text in bob.texts() if text in texts] == texts
    expect(operator.page.locator("#worker-rows")).to_contain_text("@99.0.0", timeout=30_000)
    last = fresh("Judged by the new version.")
    ann.say(last)
    bob.sees(last)


def test_a_rate_limit_lowered_in_the_admin_bites_at_once(
    ann: Window, operator: Window, product: Product
) -> None:
    page = operator.page
    first, second, third = fresh("One."), fresh("Two."), fresh("Three.")
    page.goto(f"{product.url}/admin/streams/ratelimit/")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="user.messages"))
    row.get_by_role("textbox").fill("1/1m")
    row.get_by_role("checkbox").last.check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("was changed successfully").or_(page.get_by_text("in force"))).to_be_visible()

    ann.say(first)
    ann.is_told(first, "Sent")
    ann.say(second)

    ann.is_told(second, re.compile(r"too many messages\. Try again in \d+ s\."))
    ann.item(second).get_by_role("button", name="Edit").click()
    expect(ann.box).to_have_value(second)
    manage(product, "limits", "set", "user.messages", "100/10s")
    ann.say(third)
    ann.is_told(third, "Sent")


def test_a_rule_tightened_in_the_admin_tells_the_author_which_it_was(
    ann: Window, bob: Window, operator: Window, product: Product
) -> None:
    page, text = operator.page, "Die, you filthy animal. I will shoot you."
    page.goto(f"{product.url}/admin/policy/policyrecord/")
    page.get_by_role("link", name="default").click()
    names = page.locator("input[name$='-name']")
    at = [names.nth(n).input_value() for n in range(names.count())].index("threats")
    page.locator(f"input[name='rules-{at}-threshold']").fill("0.3")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text("changed successfully")

    def is_stopped() -> bool:
        ann.say(text)
        note = ann.item(text).last.locator(".note")
        expect(note).to_have_text(re.compile("Not sent|Sent|Waiting for a moderator"))
        return "breaks the rules (threats" in note.inner_text()

    until(is_stopped, 10, "the rule applies")
    item, better = ann.item(text).last, fresh("I am sorry. Have a good day.")
    item.get_by_role("button", name="Edit").click()
    expect(ann.box).to_have_value(text)
    ann.say(better)
    bob.sees(better)
    assert text not in bob.texts()


def test_a_restart_of_the_server_loses_nothing(
    ann: Window, bob: Window, product: Product
) -> None:
    before, during, after = fresh("Before."), fresh("During."), fresh("After.")
    ann.say(before)
    bob.sees(before)

    bob.context.set_offline(True)
    for server in product.children("rtai_project.asgi"):
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


def test_a_session_ended_by_the_operator_comes_to_an_end(
    ann: Window, operator: Window, product: Product
) -> None:
    text = fresh("The one to be sent away.")
    ann.say(text)
    ann.is_told(text, "Sent")
    name = ann.page.locator(".who span").inner_text()
    page = operator.page
    page.goto(f"{product.url}/admin/streams/sessionview/")
    row = page.get_by_role("row").filter(has_text=name)
    expect(row).to_have_count(1)
    row.get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Disconnect")
    page.get_by_role("button", name="Go").click()

    expect(ann.page.get_by_text("You can no longer take part in this chat.")).to_be_visible()
    expect(ann.box).to_be_disabled()


def test_the_dashboard_shows_what_happens_now(
    ann: Window, operator: Window, product: Product
) -> None:
    page = operator.page
    text = fresh("Counted.")

    ann.say(text)
    ann.is_told(text, "Sent")

    expect(page.locator("#ready")).to_have_text("Ready to judge", timeout=15_000)
    expect(page.locator("#connected")).not_to_have_text(re.compile("[–0]"), timeout=15_000)
    expect(page.locator("#judged")).not_to_have_text(re.compile("^[–0]$"), timeout=15_000)
    expect(page.locator("#worker-rows")).to_contain_text("sentiment-mini@")
    expect(page.locator("#worker-rows")).to_contain_text("CPU")
