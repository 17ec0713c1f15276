"""What the widget shows of its connection and its stream: a fake server, and no time but the
test's."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.labs import SOCKET, WELCOME

START = """async () => {
  const lab = window.lab = { sockets: [], names: [] };
  SOCKET
  window.WebSocket = FakeSocket;
  const token = `x.${btoa(JSON.stringify({ sub: "ann" }))}.x`;
  const expires_at = new Date(Date.now() + 600_000).toISOString();
  window.fetch = async (url, { body }) => {
    lab.names.push(JSON.parse(body).name);
    return { ok: true, json: async () => ({ token, expires_at }) };
  };
  const { Widget } = await import("./widget.js");
  const widget = new Widget("http://lab.test", { site: "pk", stream: "lobby" });
  document.body.append(widget.element);
  widget.start();
}""".replace("SOCKET", SOCKET, 1)
GONE = {"type": "unsubscribed", "stream": "lobby", "reason": "not_found"}
HELPER = {"name": "Helper", "trigger": "command"}
ABSENT = "This chat does not exist."


def refused(code: str) -> dict[str, Any]:
    return {"type": "error", "code": code, "detail": "", "retryable": False}


class Panel:
    """A widget whose server says what the test wants."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.evaluate(START)
        self.banner = page.locator(".banner")
        self.button = page.get_by_role("button", name="Try again")
        self.box = page.get_by_role("textbox", name="Message")
        self.state = page.locator(".live")

    def say(self, *frames: dict[str, Any]) -> None:
        """The server says these frames."""
        self.page.evaluate("(frames) => lab.sockets.at(-1).say(...frames)", frames)

    def subscribe(self, assistant: dict[str, str] | None = None) -> None:
        """The server takes the subscription."""
        place = {"epoch": "e", "offset": 0, "recovered": True, "running": []}
        self.say({"type": "subscribed", "stream": "lobby", **place, "assistant": assistant})

    def asked(self) -> int:
        """How often the stream was asked for."""
        return len(self.sent("subscribe"))

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """Frames of a kind that the last connection carried."""
        found = self.page.evaluate("lab.sockets.at(-1).sent")
        return [each for each in found if each["type"] == kind]

    def drop(self) -> None:
        """The connection is lost."""
        self.page.evaluate("lab.sockets.at(-1).drop()")

    def reconnect(self) -> None:
        """Time passes until the server welcomes it anew."""
        self.page.clock.run_for(1_500)
        self.say(WELCOME)
        self.subscribe(HELPER)

    def ask(self, question: str) -> None:
        """Asks the assistant a question, which is published."""
        self.subscribe(HELPER)
        self.box.fill(question)
        self.page.get_by_role("button", name="Ask Helper").click()
        ref = self.sent("message")[-1]["ref"]
        verdict = {"type": "verdict", "ref": ref, "id": "m1", "action": "allow", "reasons": []}
        self.say(verdict)
        self.page.clock.run_for(100)

    def is_well(self) -> None:
        """Nothing is wrong."""
        expect(self.banner).to_be_hidden()
        expect(self.box).to_be_enabled()
        expect(self.state).to_have_text("Live")

    def is_closed(self, text: str) -> None:
        """The banner says so, and one may try again."""
        expect(self.banner).to_contain_text(text)
        expect(self.button).to_be_visible()
        expect(self.box).to_be_disabled()
        expect(self.state).to_have_text("Off")


@pytest.fixture
def panel(lab: Page) -> Panel:
    found = Panel(lab)
    found.say(WELCOME)
    return found


def test_a_stream_that_is_switched_off_and_on_again_is_there_again(panel: Panel) -> None:
    panel.subscribe()
    panel.is_well()

    panel.say(GONE)
    panel.is_closed(ABSENT)
    panel.page.clock.run_for(10_000)
    assert panel.asked() == 2
    panel.subscribe()
    panel.is_well()


def test_trying_again_asks_for_the_stream_while_the_connection_stands(panel: Panel) -> None:
    panel.say(refused("not_found"))
    panel.is_closed(ABSENT)

    panel.button.click()
    assert panel.asked() == 2
    panel.say(refused("not_found"))
    panel.is_closed(ABSENT)
    expect(panel.button).to_be_focused()
    panel.button.click()
    panel.subscribe()
    panel.is_well()


def test_a_stream_that_is_not_granted_is_told(panel: Panel) -> None:
    panel.say(refused("forbidden"))
    panel.is_closed("This page may not use the chat.")

    panel.subscribe()
    panel.is_well()
    panel.say({**GONE, "reason": "forbidden"})
    panel.is_closed("This page may not use the chat.")


@pytest.mark.parametrize("code", ["forbidden", "not_found", "bad_frame", "unauthorized"])
def test_what_is_refused_while_the_stream_is_there_closes_nothing(panel: Panel, code: str) -> None:
    panel.subscribe()

    panel.say(refused(code))

    panel.is_well()
    assert panel.asked() == 1


def test_a_network_that_goes_away_does_not_bring_the_stream_back(panel: Panel) -> None:
    panel.say(refused("not_found"))

    panel.page.evaluate("dispatchEvent(new Event('offline'))")

    panel.is_closed(ABSENT)
    assert panel.asked() == 1


@pytest.mark.parametrize("is_open", [True, False])
def test_a_question_that_is_stopped_before_its_answer_is_not_asked_again(
    panel: Panel, is_open: bool
) -> None:
    panel.ask("Who are you?")
    asked = panel.sent("generate")
    assert len(asked) == 1
    if not is_open:
        panel.drop()

    panel.page.get_by_role("button", name="Stop", exact=True).click()
    expect(panel.page.locator("[role=status]")).to_have_text("Stopped")
    if is_open:
        assert panel.sent("cancel") == [{"type": "cancel", "ref": asked[0]["ref"]}]
        panel.drop()
    panel.reconnect()

    assert panel.sent("generate") == []
    panel.page.clock.run_for(100)
    expect(panel.page.locator("[data-status=waiting]")).to_have_count(0)
    assert "Who are you?" not in panel.page.evaluate("Object.values(sessionStorage).join()")


def test_a_name_chosen_while_connecting_is_sent(lab: Page) -> None:
    panel = Panel(lab)
    panel.page.get_by_role("button", name="Your name").click()
    panel.page.get_by_role("textbox", name="Your name").fill("Mo")
    panel.page.get_by_role("button", name="Save").click()
    panel.say(WELCOME)
    panel.subscribe()

    panel.is_well()
    assert len(panel.sent("refresh")) == 1
    assert panel.page.evaluate("lab.names.slice(1)") == ["Mo"]
