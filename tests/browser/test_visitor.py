"""The widget's visitor alone, before a server that says nothing."""

from playwright.sync_api import Page

from tests.browser.labs import Lab
from tests.product import until

CONNECT = """(async () => {
  const { Visitor } = await import("./visitor.js");
  const visitor = new Visitor("http://lab.test", { site: "pk_demo" }, sessionStorage);
  lab.answer = (fresh) => visitor.get(fresh);
  client.connect();
})()"""


def test_a_token_that_does_not_come_is_asked_for_again(lab: Page) -> None:
    asked: list[str] = []
    lab.route("**/widget/v1/token", lambda route: asked.append(route.request.url))
    client = Lab(lab)
    client.do(CONNECT)

    client.pass_ms(9_900)
    assert client.state == "connecting"
    client.pass_ms(200)
    until(lambda: client.state == "waiting", 5)
    client.pass_ms(5_000)
    until(lambda: client.state == "connecting" and len(asked) == 2, 5)
