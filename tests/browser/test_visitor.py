"""Who is writing: a fake server that gives tokens."""

from typing import Any

import pytest
from playwright.sync_api import Page

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


@pytest.mark.parametrize(("options", "asked", "name"), [
    ({"name": "Bo"}, ["Bo"], "Bo"),
    ({"name": "Bo", "chosen": "Mo"}, ["Bo", "Mo"], "Mo"),
    ({"name": "Bo", "tokenUrl": "/who"}, ["Bo"], "Ann"),
])  # fmt: skip
def test_a_name_chosen_while_a_token_is_on_its_way_is_in_the_next(
    lab: Page, options: dict[str, Any], asked: list[str], name: str
) -> None:
    assert lab.evaluate(USE, [options, 3]) == [asked, name]
