"""Who is writing: the widget's visitor before servers that give tokens, or say nothing."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.labs import Lab
from tests.product import until

CONNECT = """(async () => {
  const { Visitor } = await import("./visitor.js");
  const visitor = new Visitor("http://lab.test", { site: "pk_demo" }, sessionStorage);
  lab.answer = (fresh) => visitor.get(fresh);
  client.connect();
})()"""
USE = """async ([options, times]) => {
  const { openStore, Visitor } = await import("./visitor.js");
  const token = `x.${btoa(JSON.stringify({ sub: "ann", name: "Ann" }))}.x`;
  const expires_at = new Date(Date.now() + 600_000).toISOString();
  const visitor = new Visitor("http://lab.test", { site: "pk", ...options }, openStore());
  const asked = [];
  window.fetch = async (url, { body }) => {
    asked.push(JSON.parse(body).name);
    if (asked.length === 1 && options.chosen) visitor.rename(options.chosen);
    return { ok: true, json: async () => ({ token, expires_at }) };
  };
  for (let each = 0; each < times; each += 1) await visitor.get(false);
  return [asked, visitor.name];
}"""


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


@pytest.mark.parametrize(("options", "asked", "name"), [
    ({"name": "Bo"}, ["Bo"], "Bo"),
    ({"name": "Bo", "chosen": "Mo"}, ["Bo", "Mo"], "Mo"),
    ({"name": "Bo", "tokenUrl": "/who"}, ["Bo"], "Ann"),
])  # fmt: skip
def test_a_name_chosen_while_a_token_is_on_its_way_is_in_the_next(
    lab: Page, options: dict[str, Any], asked: list[str], name: str
) -> None:
    assert lab.evaluate(USE, [options, 3]) == [asked, name]
