"""OpenAI's paths while their server shuts down."""

import json
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from api import completions_http
from api.completions_http import OpenAIPaths
from streams import lifespan

BODY = {"model": "chat-mini", "messages": [{"role": "user", "content": "Hi"}]}


async def test_a_server_that_drains_begins_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def gateway() -> Any:
        return SimpleNamespace(draining=True)

    async def caller(_: completions_http.Call) -> Any:
        return SimpleNamespace(site="demo")

    monkeypatch.setattr(lifespan, "gateway", gateway)
    monkeypatch.setattr(completions_http.Call, "caller", caller)
    sent: list[Mapping[str, Any]] = []

    async def receive() -> Mapping[str, Any]:
        return {"type": "http.request", "body": json.dumps(BODY).encode(), "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        sent.append(message)

    async def otherwise(*_: Any) -> None:
        raise AssertionError("It is a path of OpenAI's.")

    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": []}
    await OpenAIPaths(otherwise)(scope, receive, send)

    start, body = sent
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"1"
    assert json.loads(body["body"])["error"]["message"] == "Shutting down."
