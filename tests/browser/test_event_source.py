"""A browser's own EventSource on the real product, judged by the real models."""

from typing import Any

from playwright.sync_api import Page

from tests.browser.windows import Windows
from tests.product import Product

OPEN = """async () => {
  const post = async (path, body, headers = {}) =>
    (await fetch(path, {method: "POST", headers, body: JSON.stringify(body)})).json();
  window.post = post;
  const {token} = await post("/widget/v1/token", {site: "pk_demo", name: "Eve"});
  window.headers = {Authorization: `Bearer ${token}`};
  window.events = [];
  window.listen = async (id) => {
    const {ticket} = await post("/sse/v1/tickets", {}, window.headers);
    const after = id ? `&last_event_id=${id}` : "";
    window.source = new EventSource(`/sse/v1/streams/lobby?ticket=${ticket}${after}`);
    for (const kind of ["subscribed", "message", "verdict"])
      window.source.addEventListener(kind, (event) =>
        window.events.push({kind, id: event.lastEventId, data: JSON.parse(event.data)}));
  };
  await window.listen("");
}"""
SAY = """(text) =>
  window.post("/sse/v1/streams/lobby/messages", {ref: text, text}, window.headers)"""


def _heard(page: Page, kind: str, count: int = 1) -> list[dict[str, Any]]:
    """Events of one type, once there are so many."""
    asked = "([kind, count]) => window.events.filter((each) => each.kind === kind).length >= count"
    page.wait_for_function(asked, arg=[kind, count])
    found: list[dict[str, Any]] = page.evaluate("window.events")
    return [each for each in found if each["kind"] == kind]


def test_an_event_source_hears_sends_and_recovers(windows: Windows, product: Product) -> None:
    page = windows.new().page
    page.goto(f"{product.url}/demo/")
    page.evaluate(OPEN)
    (subscribed,) = _heard(page, "subscribed")
    accepted = page.evaluate(SAY, "What a lovely day")
    message = _heard(page, "message")[-1]
    (verdict,) = _heard(page, "verdict")
    assert subscribed["data"]["recovered"]
    assert message["data"]["id"] == verdict["data"]["id"] == accepted["id"]
    assert message["id"] == f"{message['data']['epoch']}:{message['data']['offset']}"
    assert (verdict["data"]["action"], verdict["data"]["ref"]) == ("allow", "What a lovely day")

    page.evaluate("window.source.close()")
    page.evaluate(SAY, "Nobody was there")
    page.evaluate("(id) => window.listen(id)", message["id"])
    assert _heard(page, "subscribed", 2)[1]["data"]["recovered"]
    assert _heard(page, "message", 2)[1]["data"]["text"] == "Nobody was there"
    page.evaluate("window.source.close()")
